"""The examples for HAProxy and keepalived, word for word, with the real programs and three stand-ins for nodes.

Runs in a network of its own (`unshare --net`), where the addresses of the examples are this machine's.
"""

import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
NODES = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
SHOP = "10.0.0.10"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Node(http.server.ThreadingHTTPServer):
    """A node as a balancer sees it: ready or not, and slow to finish when asked to be."""

    daemon_threads = True

    def __init__(self, address):
        super().__init__((address, 8080), Handler)
        self.address, self.ready = address, True
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        """HAProxy hangs up when it has seen the status of a check: that is no error."""

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        node = self.server
        if self.path == "/readyz":
            return self.answer(200 if node.ready else 503, {})
        if self.path == "/slow":
            time.sleep(3)
        self.answer(200, {"node": node.address, "for": self.headers.get_all("X-Forwarded-For")})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def get(path, host="127.0.0.1", headers={}):
    """Status and body; a status of 0 if nobody answers."""
    try:
        request = urllib.request.Request(f"http://{host}{path}", headers=headers)
        with DIRECT.open(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or "{}") if path.startswith("/store") else {}
    except urllib.error.HTTPError as error:
        return error.code, {}
    except OSError:
        return 0, {}


def wait(what, probe, seconds=20):
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)
    print(f"   {what}")


def who(times=30):
    """Who answers; each request has to be answered."""
    answers = [get("/store/v1/products") for _ in range(times)]
    assert all(status == 200 for status, _ in answers), answers
    return {body["node"] for _, body in answers}


def has_address():
    shown = subprocess.run(["ip", "-br", "address", "show", "dev", "eth0"], capture_output=True, text=True)
    return f"{SHOP}/" in shown.stdout


def main():
    ip = lambda *words: subprocess.run(["ip", *words], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "wire")
    ip("link", "set", "eth0", "up")
    ip("link", "set", "wire", "up")
    ip("address", "add", "10.0.0.2/24", "dev", "eth0")
    for node in NODES:
        ip("address", "add", f"{node}/32", "dev", "lo")
    home = pathlib.Path(tempfile.mkdtemp())
    (home / "log").touch()
    started = []

    def start(*command):
        process = subprocess.Popen(command, stdout=open(home / "log", "ab"), stderr=subprocess.STDOUT)
        started.append(process)
        return process

    def balancer():
        return start("haproxy", "-W", "-q", "-f", str(EXAMPLES / "haproxy.cfg"))

    try:
        subprocess.run(["haproxy", "-c", "-q", "-f", str(EXAMPLES / "haproxy.cfg")], check=True)
        # Keepalived 2.2.7 ends itself while it tests a file whose scripts run as another user; as a service it does not.
        tested = home / "keepalived.conf"
        tested.write_text((EXAMPLES / "keepalived.conf").read_text().replace("script_user nobody", "script_user root"))
        subprocess.run(["keepalived", "-t", "-f", str(tested)], check=True)
        nodes = [Node(address) for address in NODES]
        haproxy = balancer()
        wait("all nodes get requests", lambda: get("/store/v1/x")[0] == 200 and who() == set(NODES))
        assert get("/metrics")[0] == 404 and get("/readyz")[0] == 404, "what is for inside is told outside"
        _, body = get("/store/v1/x", headers={"X-Forwarded-For": "1.2.3.4"})
        assert body["for"] == ["127.0.0.1"], body

        slow = []
        waiting = [threading.Thread(target=lambda: slow.append(get("/slow")[0])) for _ in range(6)]
        for thread in waiting:
            thread.start()
        time.sleep(0.2)
        nodes[0].ready = False
        wait("a node that is not ready gets no more requests", lambda: NODES[0] not in who())
        for thread in waiting:
            thread.join()
        assert slow == [200] * 6, f"requests under way are finished: {slow}"
        nodes[0].ready = True
        wait("ready again, it gets requests again", lambda: who() == set(NODES))
        nodes[1].stop()
        assert who() <= set(NODES), "no client notices a node that is gone"
        wait("a node that is gone gets no requests", lambda: who() == {NODES[0], NODES[2]})

        keepalived = ["keepalived", "-n", "-l", "-f", str(EXAMPLES / "keepalived.conf")]
        pids = [word for kind in "prc" for word in (f"-{kind}", str(home / kind))]
        start(*keepalived, *pids)
        wait("the balancer takes the shop's address", has_address)
        assert get("/store/v1/x", host=SHOP)[0] == 200
        nodes[0].ready = nodes[2].ready = False
        wait("without a node it gives the address away", lambda: not has_address())
        nodes[0].ready = True
        wait("with a node it takes it again", has_address)
        haproxy.terminate()
        haproxy.wait(20)
        wait("without HAProxy it gives the address away", lambda: not has_address())
        balancer()
        wait("with HAProxy it takes it again", has_address)
    except BaseException:
        sys.stderr.write((home / "log").read_text(errors="replace")[-4000:])
        raise
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


main()
