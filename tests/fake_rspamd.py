#!/usr/bin/env python3
"""An anti-spam engine that knows one word: rspamd's protocol, and mail that says "buy now" is spam. Runs beside a gateway in its
network namespace (fake_rspamd.py PORT), or in a thread (Server(0))."""
import http.server, sys, threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        spam = b'buy now' in body
        reply = b'{"score":%.1f,"required_score":15.0,"action":"%s","symbols":{}}' % (15 if spam else 0, b'reject' if spam else b'no action')
        self.send_response(200)
        self.send_header('Content-Length', str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        pass


class Server:
    def __init__(self, port=0):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self):
        return engine_settings(self.port)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def engine_settings(port):
    return ['antispam.enabled=yes', 'antispam.rspamd_address=127.0.0.1:%d' % port, 'mail_policy.DEFAULT.antispam=yes']


if __name__ == '__main__':
    http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
