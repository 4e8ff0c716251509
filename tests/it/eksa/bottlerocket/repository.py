"""Makes repositories with the reference implementation of The Update Framework: good ones, and such as somebody hostile would show.

usage: repository.py OUT SCENARIO NAME FILE

In OUT are `root.json`, which is trusted beforehand, and one folder for each state of the repository, with `metadata` and `targets`.
"""
import copy
import hashlib
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
EARLIER = LATER - timedelta(days=31)


class Repository:
    def __init__(self, name, content):
        self.roots = []
        # Each kind of key that the specification knows; Bottlerocket's are RSA.
        self.signers = {
            "root": [CryptoSigner.generate_rsa(size=2048), CryptoSigner.generate_ed25519()],
            "timestamp": [CryptoSigner.generate_ed25519()],
            "snapshot": [CryptoSigner.generate_ecdsa()],
            "targets": [CryptoSigner.generate_rsa(size=2048)],
        }
        self.root = Root(version=1, expires=LATER, consistent_snapshot=True)
        self.thresholds = {"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1}
        self.targets = Targets(version=1, expires=LATER)
        self.snapshot = Snapshot(version=1, expires=LATER)
        self.timestamp = Timestamp(version=1, expires=LATER)
        self.files = {}
        self.stranger = {}
        self.pinned_hashes = False
        self.add(name, content)

    def add(self, name, content):
        self.targets.targets[name] = TargetFile.from_data(name, content, ["sha256"])
        self.files[name] = content

    def publish_root(self, extra=(), own=True):
        """Signs the present root with its keys and, when keys were exchanged, with those of before."""
        root = self.root
        root.keys.clear()
        for role, signers in self.signers.items():
            root.roles[role].keyids = []
            root.roles[role].threshold = self.thresholds[role]
            for signer in signers:
                root.add_key(signer.public_key, role)
        metadata = Metadata(copy.deepcopy(root))
        for signer in [*(self.signers["root"] if own else ()), *extra]:
            metadata.sign(signer, append=True)
        self.roots.append(metadata.to_bytes(JSONSerializer(compact=False)))

    def exchange(self, role="root", by_old=True):
        """Exchanges the keys of a role and publishes the next root."""
        before = self.signers["root"]
        if role == "root":
            self.signers["root"] = [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ecdsa()]
        else:
            self.signers[role] = [CryptoSigner.generate_ed25519()]
        self.root.version += 1
        self.publish_root(before if by_old and role == "root" else ())

    def signed(self, role, content):
        metadata = Metadata(content)
        for signer in self.stranger.get(role, self.signers[role]):
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer(compact=False))

    def next(self):
        """The next state: everything is one version newer."""
        for content in (self.targets, self.snapshot, self.timestamp):
            content.version += 1

    def write(self, folder):
        if not self.roots:
            self.publish_root()
        metadata, targets = folder / "metadata", folder / "targets"
        metadata.mkdir(parents=True)
        targets.mkdir()
        files = {f"{at + 1}.root.json": root for at, root in enumerate(self.roots)}
        signed = self.signed("targets", self.targets)
        files[f"{self.targets.version}.targets.json"] = signed
        meta = MetaFile.from_data(self.targets.version, signed, ["sha256"]) if self.pinned_hashes else MetaFile(self.targets.version)
        self.snapshot.meta["targets.json"] = meta
        signed = self.signed("snapshot", self.snapshot)
        files[f"{self.snapshot.version}.snapshot.json"] = signed
        meta = MetaFile.from_data(self.snapshot.version, signed, ["sha256"]) if self.pinned_hashes else MetaFile(self.snapshot.version)
        self.timestamp.snapshot_meta = meta
        files["timestamp.json"] = self.signed("timestamp", self.timestamp)
        for name, content in files.items():
            (metadata / name).write_bytes(content)
        for name, content in self.files.items():
            if ".." not in name and not name.startswith("/"):
                (targets / f"{hashlib.sha256(content).hexdigest()}.{name}").write_bytes(content)


def main(out, scenario, name, file):
    content = Path(file).read_bytes()
    repository = Repository(name, content)
    if scenario == "good":
        repository.write(out / "new")
    elif scenario == "rotated":
        # All keys are exchanged, those of the root twice.
        repository.publish_root()
        repository.exchange()
        repository.exchange("timestamp")
        repository.exchange("targets")
        repository.exchange()
        repository.write(out / "new")
    elif scenario == "foreign-root":
        repository.publish_root()
        repository.exchange(by_old=False)
        repository.write(out / "new")
    elif scenario == "skipped-root":
        # The second root says that it is the third.
        repository.publish_root()
        repository.root.version += 1
        repository.exchange()
        repository.write(out / "new")
    elif scenario == "rollback":
        repository.write(out / "old")
        repository.next()
        repository.write(out / "new")
    elif scenario == "rollback-after-rotation":
        # Keys that were exchanged since the trusted root must not make anybody forget.
        repository.publish_root()
        repository.exchange("timestamp")
        repository.write(out / "old")
        repository.next()
        repository.write(out / "new")
    elif scenario == "rollback-of-targets":
        # A new timestamp and snapshot name old targets.
        repository.next()
        repository.write(out / "new")
        repository.next()
        repository.targets.version = 1
        repository.write(out / "old")
    elif scenario.startswith("expired-"):
        role = scenario.removeprefix("expired-")
        getattr(repository, role).expires = EARLIER
        repository.write(out / "new")
    elif scenario == "threshold":
        repository.signers["targets"].append(CryptoSigner.generate_ed25519())
        repository.thresholds["targets"] = 2
        repository.publish_root()
        repository.signers["targets"].pop()
        repository.write(out / "new")
    elif scenario == "one-key-twice":
        repository.signers["targets"].append(CryptoSigner.generate_ed25519())
        repository.thresholds["targets"] = 2
        repository.publish_root()
        metadata = repository.signers["targets"][0]
        repository.signers["targets"] = [metadata]
        repository.write(out / "new")
        path = out / "new/metadata/1.targets.json"
        signed = Metadata.from_bytes(path.read_bytes())
        text = path.read_text()
        keyid = metadata.public_key.keyid
        again = f'"signatures": [\n  {{\n   "keyid": "{keyid}",\n   "sig": "{signed.signatures[keyid].signature}"\n  }},'
        path.write_text(text.replace('"signatures": [', again, 1))
    elif scenario == "stranger":
        repository.stranger["timestamp"] = [CryptoSigner.generate_ed25519()]
        repository.write(out / "new")
    elif scenario == "mixed":
        repository.write(out / "new")
        folder = out / "new/metadata"
        (folder / "1.snapshot.json").write_bytes((folder / "1.targets.json").read_bytes())
    elif scenario == "older-targets":
        # What the snapshot calls version 2 is version 1.
        repository.write(out / "aside")
        old = (out / "aside/metadata/1.targets.json").read_bytes()
        repository.next()
        repository.write(out / "new")
        (out / "new/metadata/2.targets.json").write_bytes(old)
    elif scenario == "exchanged-snapshot":
        # Well signed, but not the one that the timestamp means.
        repository.pinned_hashes = True
        repository.write(out / "new")
        repository.snapshot.expires += timedelta(days=1)
        snapshot = out / "new/metadata/1.snapshot.json"
        # Signatures by ECDSA vary in length, and a longer file would be refused for that.
        while len(signed := repository.signed("snapshot", repository.snapshot)) != snapshot.stat().st_size:
            pass
        snapshot.write_bytes(signed)
    elif scenario == "traversal":
        for other in ["../../../escape.img", "/tmp/escape.img", f"x/../{name}"]:
            repository.add(other, b"escaped")
        repository.write(out / "new")
    elif scenario == "traversal-only":
        repository.targets.targets.clear()
        repository.files.clear()
        for other in [f"x/../{name}", f"../{name}"]:
            repository.add(other, content)
        repository.write(out / "new")
    elif scenario == "no-name":
        repository.add("..", b"escaped")
        repository.write(out / "new")
    else:
        sys.exit(f"no scenario `{scenario}`")
    (out / "root.json").write_bytes(repository.roots[0])


main(Path(sys.argv[1]), *sys.argv[2:])
