"""PostgreSQL: alone, or a primary whose commits wait for one of two synchronous standbys; orders by pgbench."""

import glob
import os
import pwd
import subprocess
from pathlib import Path

from harness import machine, processes
from subjects.pgbench import SCRIPTS

PACKAGES = {"pg_createcluster": "postgresql", "pgbench": "postgresql", "pgbouncer": "pgbouncer"}
#: Connections that pgbouncer holds to the server: not tuned further here.
POOLED = 8

# Durable as it comes (fsync, full_page_writes and synchronous_commit are on); what is set is memory, the room between
# checkpoints, and what standbys need.
SETTINGS = {
    "listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''", "max_connections": "320",
    "shared_buffers": "1GB", "wal_buffers": "32MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min",
    "wal_compression": "lz4", "random_page_cost": "1.1", "jit": "off",
    "wal_level": "replica", "max_wal_senders": "10", "wal_keep_size": "1GB", "hot_standby": "on",
}


class Postgres:
    def __init__(self, directory, standbys, skus):
        self.directory, self.skus, self.servers, self.pooler = directory, skus, [], None
        directory.mkdir(parents=True)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        self.bin = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
        self._make_primary()
        for number in range(1, standbys + 1):
            self._make_standby(number)
        if standbys:
            self.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
            self.sql("SELECT pg_reload_conf()")
            states = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
            processes.until("synchronous standbys", lambda: self.sql(states) == str(standbys))
        self.sql((Path(__file__).parent / "orders.sql").read_text().replace(":skus", str(skus)))
        self.sql("VACUUM ANALYZE")
        for name, script in SCRIPTS.items():
            (directory / f"{name}.pgbench").write_text(script)

    def close(self):
        for server in [self.pooler, *reversed(self.servers)]:
            if server:
                # SIGINT is PostgreSQL's fast shutdown.
                processes.stop(server["process"], how=2)

    def _make_primary(self):
        data = self.directory / "primary"
        self._tool("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--data-checksums", "-E", "UTF8", "--locale=C")
        with open(data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
        self._start(data)

    def _make_standby(self, number):
        data = self.directory / f"standby-{number}"
        primary = f"host=127.0.0.1 port={self.servers[0]['port']} user=postgres application_name=standby{number}"
        self._tool("pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "-d", primary)
        self._start(data)

    def _start(self, data):
        (port,) = machine.free_ports(1)
        log = self.directory / f"{data.name}.log"
        process = processes.start([self.bin / "postgres", "-D", data, "-p", port], log, user="postgres")
        ready = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        processes.until("PostgreSQL", lambda: subprocess.run(ready).returncode == 0, 60, process)
        self.servers.append({"process": process, "port": port})

    def _tool(self, name, *arguments):
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        command = [*user, str(self.bin / name), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300, cwd="/")

    def sql(self, text):
        connection = ["-h", "127.0.0.1", "-p", str(self.servers[0]["port"]), "-U", "postgres", "-d", "postgres"]
        done = subprocess.run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *connection, "-f", "-"], input=text,
                              text=True, capture_output=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def pool(self):
        """Puts pgbouncer in front, with a connection for each transaction as long as it lasts."""
        (port,) = machine.free_ports(1)
        settings, users = self.directory / "pgbouncer.ini", self.directory / "pgbouncer.users"
        users.write_text('"postgres" ""\n')
        settings.write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={self.servers[0]['port']}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\nmax_client_conn = 400\n"
            f"default_pool_size = {POOLED}\nlog_connections = 0\nlog_disconnections = 0\n")
        log = self.directory / "pgbouncer.log"
        process = processes.start(["/usr/sbin/pgbouncer", settings], log, user="postgres")
        self.pooler = {"process": process, "port": port}
        processes.until("pgbouncer", lambda: machine.answers(port), 30, process)

    def roles(self):
        standbys = [server["process"].pid for server in self.servers[1:]]
        roles = {"primary": [self.servers[0]["process"].pid]}
        if standbys:
            roles[f"{len(standbys)} standbys"] = standbys
        if self.pooler:
            roles["pgbouncer"] = [self.pooler["process"].pid]
        return roles

    def load(self, script, clients, seconds, pooled=False):
        """pgbench, told as our own generator tells it."""
        prefix = self.directory / "times"
        port = (self.pooler if pooled else self.servers[0])["port"]
        # A pooled connection is another one each time, so nothing can be prepared on it.
        mode = "simple" if pooled else "prepared"
        whole = max(1, round(seconds))
        command = [self.bin / "pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-n", "-M", mode,
                   "-c", str(clients), "-j", str(min(2, clients)), "-T", str(whole), "-D", f"skus={self.skus}",
                   "-l", f"--log-prefix={prefix}", "-f", self.directory / f"{script}.pgbench", "postgres"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=whole + 120)
        logs = glob.glob(f"{prefix}.*")
        micros = sorted(int(line.split()[2]) for log in logs for line in open(log))
        for log in logs:
            os.unlink(log)
        rates = [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps = ")]
        if done.returncode:
            raise RuntimeError(f"pgbench: {done.stderr[-2000:]}")
        at = lambda share: micros[min(len(micros) - 1, int(len(micros) * share))] / 1e3 if micros else None
        # It tells no rate when nothing was done: many clients may need more than a short round to connect.
        return {"operations": len(micros), "seconds": whole, "per_second": rates[0] if rates else 0.0,
                "p50_ms": at(0.50), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": at(1.0)}
