"""A device in MicroPython (an ESP32, for example): ask, show the code, wait, get a token, call the API.

Uses only what MicroPython has: json, socket, time, and ssl where the address is https. Runs under CPython unchanged.
Set ISSUER, NAME and SCOPE in config.py, or pass them to run(). See docs/how-to/enrol-a-device.md about certificates.
"""

import json
import socket
import time

CLIENT = "authsvc-device"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"


def run(issuer, name, scope, show=print, certificates=None):
    """Return the access token; shows where to type which code. Raises OSError or RuntimeError."""
    body = {"client_id": CLIENT, "device_name": name, "scope": scope}
    status, asked = send("POST", issuer + "/oauth/device_authorization", form(body), certificates=certificates)
    if status != 200:
        raise RuntimeError("refused: %s" % asked.get("error"))
    show("Open %s and type %s" % (asked["verification_uri"], asked["user_code"]))
    interval = asked.get("interval", 5)
    poll = form({"grant_type": GRANT, "client_id": CLIENT, "device_code": asked["device_code"]})
    while True:
        time.sleep(interval)
        status, answer = send("POST", issuer + "/oauth/token", poll, certificates=certificates)
        if status == 200:
            return answer["access_token"]
        if answer.get("error") == "slow_down":
            interval += 5
        elif answer.get("error") != "authorization_pending":
            raise RuntimeError("ended: %s" % answer.get("error"))


def send(method, address, body=b"", bearer="", certificates=None):
    """Send one request and return the status and the JSON answer; HTTP/1.0, so the answer ends with the connection."""
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    name, _, port = host.partition(":")
    port = int(port or (443 if scheme == "https" else 80))
    connection = socket.socket()
    try:
        connection.connect(socket.getaddrinfo(name, port)[0][-1])
        stream = secure(connection, name, certificates) if scheme == "https" else connection
        head = "%s /%s HTTP/1.0\r\nHost: %s\r\n" % (method, path, host)
        if bearer:
            head += "Authorization: Bearer %s\r\n" % bearer
        if body:
            head += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % len(body)
        write(stream, (head + "\r\n").encode() + body)
        return parse(read(stream))
    finally:
        connection.close()


def secure(connection, name, certificates):
    """Wrap the connection; the server must prove its name with a certificate of ours."""
    import ssl  # noqa: PLC0415 - not every firmware has it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificates)
    return context.wrap_socket(connection, server_hostname=name)


def write(stream, data):
    """Send everything; CPython's sockets say send, MicroPython's also write."""
    send_all = getattr(stream, "sendall", None) or stream.write
    send_all(data)


def read(stream):
    """Return everything until the server closes."""
    receive = getattr(stream, "recv", None) or stream.read
    data = b""
    while True:
        part = receive(1024)
        if not part:
            return data
        data += part


def parse(answer):
    """Return the status and the JSON body of an HTTP answer."""
    position = answer.find(b"\r\n\r\n")
    status = int(answer.split(b" ", 2)[1])
    return status, json.loads(answer[position + 4 :] or b"{}")


def form(fields):
    """Return the fields as a form body."""
    return "&".join("%s=%s" % (quote(name), quote(value)) for name, value in fields.items()).encode()


def quote(text):
    """Return the text percent-encoded; MicroPython has no urllib."""
    return "".join(chr(byte) if chr(byte) in UNRESERVED else "%%%02X" % byte for byte in text.encode())


def main():
    """Read config.py, get a token, and say who the service takes us for."""
    import config  # noqa: PLC0415 - a file on the device

    token = run(config.ISSUER, config.NAME, config.SCOPE, certificates=getattr(config, "CERTIFICATES", None))
    base = config.ISSUER[: config.ISSUER.rfind("/t/")]
    print(json.dumps(send("GET", base + "/api/v1/me", bearer=token)[1]))


if __name__ == "__main__":
    main()
