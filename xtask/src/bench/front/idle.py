# Opens connections one by one, gets one answer on each, and reports when all of them are idle.
import socket
import ssl
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connections = []
for _ in range(count):
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    connection.sendall(b"GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = b""
    while not answer.endswith(b"x" * 1024):
        part = connection.recv(65536)
        if not part:
            sys.exit("a connection was closed")
        answer += part
    connections.append(connection)
print(flush=True)
sys.stdin.read()
