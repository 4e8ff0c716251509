package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// certificate is the server's, with what tests pin it by.
type certificate struct {
	pair   tls.Certificate
	file   string
	sha1   string
	sha256 string
}

// loadCertificate takes the given one, or makes one for localhost and writes it to the folder.
func loadCertificate(o options) (certificate, error) {
	c := certificate{file: o.certificate}
	var err error
	if c.file == "" {
		c.file = filepath.Join(o.folder, "ca.pem")
		c.pair, err = makeCertificate(c.file)
	} else {
		c.pair, err = tls.LoadX509KeyPair(c.file, o.key)
	}
	if err != nil {
		return c, err
	}
	pair := c.pair
	one, two := sha1.Sum(pair.Certificate[0]), sha256.Sum256(pair.Certificate[0])
	c.sha1, c.sha256 = thumbprint(one[:]), thumbprint(two[:])
	return c, nil
}

// thumbprint is as vCenter writes it: AA:BB:...
func thumbprint(digest []byte) string {
	parts := make([]string, len(digest))
	for i, b := range digest {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// makeCertificate makes an authority, which it writes to the file, and a certificate of it: an authority's own is no server's.
func makeCertificate(file string) (tls.Certificate, error) {
	authority := x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "CA of vcsim for tests"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	server := authority
	server.SerialNumber = big.NewInt(time.Now().UnixNano() + 1)
	server.Subject = pkix.Name{CommonName: "localhost", Organization: []string{"vcsim for tests"}}
	server.KeyUsage = x509.KeyUsageDigitalSignature
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.IsCA = false
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	root, err := x509.CreateCertificate(rand.Reader, &authority, &authority, &signer.PublicKey, signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &server, &authority, &key.PublicKey, signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}, os.WriteFile(file, encoded, 0o644)
}
