"""A door with TLS before a port of this host: makes an authority and a certificate, writes the authority's to argv[2], prints its own port
and the SHA-1 and SHA-256 of its certificate."""
import datetime
import ipaddress
import os
import socket
import ssl
import sys
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(name, key, issuer, signer, more, ca):
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    for extension in more:
        made = made.add_extension(extension, critical=False)
    return made.sign(signer, hashes.SHA256())


def pass_on(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(stream, context, port):
    try:
        inside = context.wrap_socket(stream, server_side=True)
    except OSError:
        return
    outside = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=pass_on, args=(inside, outside), daemon=True).start()
    pass_on(outside, inside)


def main():
    port, ca_file = int(sys.argv[1]), sys.argv[2]
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("ca", ca_key, "ca", ca_key, [], True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    own = certificate("cloud", key, "ca", ca_key, [names], False)
    pem = serialization.Encoding.PEM
    with open(ca_file, "wb") as file:
        file.write(ca.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.NamedTemporaryFile() as file:
        file.write(private + own.public_bytes(pem))
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    listener = socket.create_server(("127.0.0.1", 0))
    prints = [own.fingerprint(kind).hex(":").upper() for kind in (hashes.SHA1(), hashes.SHA256())]
    print(listener.getsockname()[1], *prints, flush=True)
    # The test that started this closes it when it ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve, args=(stream, context, port), daemon=True).start()


main()
