"""A mail server that fails on command, and tells what it got as lines of JSON on standard output."""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

told = json.loads(sys.argv[1])
answers = iter(told["data"])


def say(line):
    print(json.dumps(line), flush=True)


def read(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    return {
        "type": message.get_content_type(),
        "headers": [[name, str(value)] for name, value in message.items()],
        "defects": [str(defect) for part in message.walk() for defect in part.defects]
        + [str(defect) for value in message.values() for defect in value.defects],
        "parts": [
            {
                "type": part.get_content_type(),
                "charset": part.get_content_charset(),
                "text": part.get_content(),
            }
            for part in parts
        ],
    }


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        answer = told["rcpt"].get(address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        answer = next(answers, "250 2.0.0 Ok: queued")
        say(
            {
                "tls": server.transport.get_extra_info("cipher") is not None,
                "login": session.auth_data.login.decode() if session.auth_data else None,
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "answer": answer,
                "message": read(envelope.content),
            }
        )
        if answer == "hang":
            await asyncio.Event().wait()
        return answer


def check(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()] == told["login"]
    return AuthResult(success=known, handled=False, auth_data=data)


async def main():
    context = None
    if told["tls"] != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(told["certificate"], told["key"])
    implicit = told["tls"] == "implicit"
    settings = {"hostname": "mail.test", "enable_SMTPUTF8": True}
    if told["login"]:
        # It does not know of TLS that was there before it.
        settings |= {"authenticator": check, "auth_required": True, "auth_require_tls": told["tls"] == "starttls"}
    if told["tls"] == "starttls":
        settings |= {"tls_context": context, "require_starttls": True}

    def serve():
        return SMTP(Handler(), **settings)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=context if implicit else None)
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


asyncio.run(main())
