"""nginx, serving one file."""

from harness import machine, processes

PACKAGES = {"nginx": "nginx-light"}

SETTINGS = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  open_file_cache max=100;
  types {{ application/json json; }}
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port}; root {directory}/files; }}
}}
"""


class Nginx:
    def __init__(self, directory, content):
        self.process = None
        files = directory / "files"
        files.mkdir(parents=True)
        (files / "product.json").write_bytes(content)
        (self.port,) = machine.free_ports(1)
        settings = directory / "nginx.conf"
        settings.write_text(SETTINGS.format(directory=directory, port=self.port))
        self.process = processes.start(["/usr/sbin/nginx", "-c", settings, "-e", directory / "error.log"],
                                       directory / "nginx.log")
        processes.until("nginx", lambda: machine.answers(self.port), 30, self.process)

    def close(self):
        if self.process:
            processes.stop(self.process)

    def roles(self):
        return {"nginx": [self.process.pid]}
