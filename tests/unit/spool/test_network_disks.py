"""Where a spool may lie: local disks and overlays; not where locks are those of a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin import system
from tocsin.event.errors import StoreError
from tocsin.spool.folder import Folder


def mount(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Have the kernel's table of mounts say this."""
    real = Path.read_text

    def read_text(path: Path, *arguments: object, **options: object) -> str:
        return "\n".join(lines) if str(path) == "/proc/self/mounts" else real(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs", "lustre"]
)
def test_a_network_file_system_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mount(monkeypatch, "/dev/sda1 / ext4 rw 0 0", f"server:/export {tmp_path} {kind} rw 0 0")
    with pytest.raises(StoreError, match=rf"on a network file system \({kind}\); set `spool` to a local disk"):
        Folder(tmp_path / "spool").prepare()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "virtiofs", "apfs"])
def test_other_file_systems_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    mount(monkeypatch, "server:/root / nfs4 rw 0 0", f"disk {tmp_path} {kind} rw 0 0")
    Folder(tmp_path / "spool").prepare()
    assert system.file_system(tmp_path / "spool") == kind


def test_the_longest_mount_point_counts_and_of_one_point_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "with space"
    inner.mkdir()
    mount(
        monkeypatch,
        "a / nfs rw 0 0",
        f"b {tmp_path} ext4 rw 0 0",
        f"c {str(inner).replace(' ', chr(92) + '040')} nfs4 rw 0 0",
        f"d {str(inner).replace(' ', chr(92) + '040')} xfs rw 0 0",
        f"e {tmp_path}/with nfs rw 0 0",
    )
    assert system.file_system(inner) == "xfs"
    assert system.file_system(tmp_path / "without") == "ext4"


def test_a_table_that_says_nothing_forbids_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount(monkeypatch)
    Folder(tmp_path / "spool").prepare()


def test_a_file_in_the_spools_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("x")
    with pytest.raises(StoreError, match="is no folder; set `spool` elsewhere"):
        Folder(tmp_path / "spool").prepare()
