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
	key := o.key
	if c.file == "" {
		c.file = filepath.Join(o.folder, "ca.pem")
		key = filepath.Join(o.folder, "key.pem")
		if err := makeCertificate(c.file, key); err != nil {
			return c, err
		}
	}
	pair, err := tls.LoadX509KeyPair(c.file, key)
	if err != nil {
		return c, err
	}
	c.pair = pair
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

func makeCertificate(file, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"vcsim for tests"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, encoded, 0o644); err != nil {
		return err
	}
	return os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
