"""A real SMTP server (aiosmtpd) on the port given; prints each mail as one line of JSON."""

import email
import email.policy
import json
import sys

from aiosmtpd.controller import Controller


class Sink:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = message.get_body(("plain",))
        html = message.get_body(("html",))
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "message_id": message["message-id"],
            "defects": [str(defect) for part in message.walk() for defect in part.defects],
            "text": text.get_content() if text else "",
            "html": html.get_content() if html else "",
        }), flush=True)
        return "250 OK"


controller = Controller(Sink(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
sys.stdin.read()  # Until the test closes it or ends us.
controller.stop()
