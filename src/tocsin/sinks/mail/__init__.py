"""The mail sink: notices go in, mails leave by SMTP. One file each: settings, message, client, conversation, sink."""

from tocsin.sinks.mail.sink import MailSink

__all__ = ["MailSink"]
