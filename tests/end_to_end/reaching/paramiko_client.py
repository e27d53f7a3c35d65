"""Logs in to a run by paramiko. The arguments are host and port; keys are in the working directory."""

import hashlib
import os
import stat
import sys
import time

import paramiko

HOST, PORT = sys.argv[1], int(sys.argv[2])


def connect(key):
    client = paramiko.SSHClient()
    client.load_host_keys("known_hosts")
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(HOST, PORT, "job", key_filename=key, allow_agent=False, look_for_keys=False, timeout=30)
    return client


def wrong_key():
    try:
        connect("stranger")
    except paramiko.AuthenticationException:
        return
    raise AssertionError("a stranger was let in")


def commands(client):
    stdin, stdout, stderr = client.exec_command("cat; echo out; echo err >&2; exit 7")
    stdin.write("in\n")
    stdin.channel.shutdown_write()
    assert stdout.read() == b"in\nout\n"
    assert stderr.read() == b"err\n"
    assert stdout.channel.recv_exit_status() == 7


def shell(client):
    channel = client.invoke_shell(term="xterm", width=70, height=20)
    channel.settimeout(30)
    expect(channel, "stty size", "20 70")
    # Input after a new size finds that size, however fast it comes.
    for rows in range(31, 51):
        channel.resize_pty(width=91, height=rows)
        expect(channel, "stty size", f"{rows} 91")
    channel.send(b"exit 4\n")
    assert channel.recv_exit_status() == 4


def expect(channel, line, text):
    channel.send(line.encode() + b"\n")
    seen = b""
    while text.encode() not in seen:
        data = channel.recv(4096)
        assert data, seen
        seen += data


def files(client):
    sftp = client.open_sftp()
    assert sftp.normalize(".") == os.path.realpath("run")
    sftp.chdir("outputs")
    content = os.urandom(8_000_000)
    with open("big.bin", "wb") as file:
        file.write(content)
    assert sftp.put("big.bin", "big.bin").st_size == len(content)
    sftp.get("big.bin", "back.bin", prefetch=True)
    with open("back.bin", "rb") as file:
        assert file.read() == content
    with sftp.open("big.bin", "rb") as file:
        file.prefetch()
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(content).digest()
        assert file.stat().st_size == len(content)
    sftp.mkdir("d", 0o750)
    modes(sftp)
    sftp.rename("d/new.txt", "d/text.txt")
    entries = {entry.filename: entry for entry in sftp.listdir_attr("d")}
    assert list(entries) == ["text.txt"]
    assert stat.S_ISREG(entries["text.txt"].st_mode)
    assert abs(entries["text.txt"].st_mtime - time.time()) < 600
    sftp.truncate("d/text.txt", 3)
    sftp.utime("d/text.txt", (1, 2))
    assert (sftp.stat("d/text.txt").st_size, sftp.stat("d/text.txt").st_mtime) == (3, 2)
    try:
        sftp.stat("d/missing")
        raise AssertionError("there is what is not there")
    except FileNotFoundError:
        pass
    sftp.close()


def modes(sftp):
    with sftp.open("d/new.txt", "wx") as file:
        file.write("one\n")
    try:
        sftp.open("d/new.txt", "wx")
        raise AssertionError("a file was made that was there")
    except OSError:
        pass
    with sftp.open("d/new.txt", "a") as file:
        file.write("two\n")
    with sftp.open("d/new.txt", "r+") as file:
        file.write("ONE")
        file.seek(4)
        assert file.read() == b"two\n"
    with sftp.open("d/new.txt") as file:
        assert file.readlines() == ["ONE\n", "two\n"]
    with sftp.open("d/new.txt", "w") as file:
        file.write("text\n")
    assert sftp.stat("d/new.txt").st_size == 5


wrong_key()
connection = connect("key")
commands(connection)
shell(connection)
files(connection)
connection.close()
print("all is well")
