"""Compile abi/<name>.idl into C headers.

    idl.py INPUT.idl CLIENT.h SERVER.h

CLIENT.h has the operations' numbers, a struct per request and reply with its layout asserted, and
one inline stub per operation. SERVER.h has a table of handlers and a dispatcher that checks every
request before a handler sees it.

Layout: fields in the order written, at natural alignment with explicit zero padding; bytes[N] is a
u32 length followed by N bytes. Capabilities are not part of the message's words; in the structs
they are the last fields and hold slots.
"""

import re
import sys

MESSAGE_BYTES = 512
MESSAGE_CAPABILITIES = 4
SIZES = {"u32": 4, "u64": 8}
NAME = re.compile(r"[a-z][a-z0-9_]*$")


class Mistake(Exception):
    pass


class Field:
    def __init__(self, kind, name):
        self.name = name
        self.kind = kind
        self.limit = 0
        match = re.fullmatch(r"bytes\[(\d+)\]", kind)
        if match:
            self.kind = "bytes"
            self.limit = int(match.group(1))
            if not 0 < self.limit <= MESSAGE_BYTES or self.limit % 4:
                raise Mistake(f"{name}: bytes[N] needs a multiple of 4 up to {MESSAGE_BYTES}")
        elif kind not in SIZES and kind != "capability":
            raise Mistake(f"{name}: unknown type {kind}")

    def size(self):
        return 4 + self.limit if self.kind == "bytes" else SIZES[self.kind]

    def alignment(self):
        return 4 if self.kind == "bytes" else SIZES[self.kind]


class Message:
    """The request or the reply of one operation: its words and its capabilities."""

    def __init__(self, tag, fields):
        self.tag = tag
        self.words = [f for f in fields if f.kind != "capability"]
        self.capabilities = [f for f in fields if f.kind == "capability"]
        self.offsets, self.lines, at = [], [], 0
        for field in self.words:
            if at % field.alignment():
                self.lines.append(f"    uint32_t padding_{at};")
                at += 4
            self.offsets.append((field.name, at))
            self.lines.append(declaration(field))
            at += field.size()
        self.bytes = at
        self.lines += [f"    uint32_t {f.name}; /* slot */" for f in self.capabilities]
        end = at + 4 * len(self.capabilities)
        if any(f.kind == "u64" for f in self.words) and end % 8:
            self.lines.append(f"    uint32_t padding_{end};")
        if at > MESSAGE_BYTES:
            raise Mistake(f"{tag}: {at} bytes do not fit into a message")
        if len(self.capabilities) > MESSAGE_CAPABILITIES:
            raise Mistake(f"{tag}: too many capabilities")

    def exists(self):
        return bool(self.words or self.capabilities)


def declaration(field):
    if field.kind == "bytes":
        return (f"    struct {{\n        uint32_t length_bytes;\n"
                f"        uint8_t data[{field.limit}];\n    }} {field.name};")
    return f"    uint{8 * SIZES[field.kind]}_t {field.name};"


class Operation:
    def __init__(self, interface, name, number):
        self.interface, self.name, self.number = interface, name, number
        self.fields = {"in": [], "out": []}
        self.prefix = f"{interface}_{name}"

    def finish(self):
        names = [f.name for f in self.fields["in"] + self.fields["out"]]
        if len(set(names)) != len(names):
            raise Mistake(f"{self.name}: a parameter's name is used twice")
        self.request = Message(f"{self.prefix}_request", self.fields["in"])
        self.reply = Message(f"{self.prefix}_reply", self.fields["out"])


def parse(text):
    interface, operations, current = None, [], None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            line = line.split("#")[0].strip()
            for part in filter(None, re.split(r"(?<=[;{}])", line)):
                part = part.strip()
                words = part.rstrip(";{").split()
                if part == "}":
                    if current is None:
                        raise Mistake("'}' without an operation")
                    current.finish()
                    operations.append(current)
                    current = None
                elif words[0] == "interface" and interface is None and len(words) == 2:
                    interface = words[1]
                elif words[0] == "operation" and part.endswith("{") and len(words) == 3:
                    if interface is None or current is not None or not NAME.match(words[1]):
                        raise Mistake("an operation does not belong here")
                    current = Operation(interface, words[1], int(words[2]))
                elif words[0] in ("in", "out") and part.endswith(";") and len(words) == 3:
                    if current is None or not NAME.match(words[2]):
                        raise Mistake("a parameter does not belong here")
                    current.fields[words[0]].append(Field(words[1], words[2]))
                else:
                    raise Mistake(f"cannot understand '{part}'")
        except (Mistake, ValueError) as mistake:
            raise Mistake(f"line {number}: {mistake}") from None
    numbers = [o.number for o in operations]
    if interface is None or current is not None or not operations:
        raise Mistake("the interface is not complete")
    if len(set(numbers)) != len(numbers) or not all(0 < n < 0x10000 for n in numbers):
        raise Mistake("operation numbers must be different and between 1 and 65535")
    return interface, operations


def struct_text(message):
    lines = [f"struct {message.tag} {{", *message.lines, "};"]
    for name, offset in message.offsets:
        lines.append(f"_Static_assert(offsetof(struct {message.tag}, {name}) == {offset}, "
                     f"\"layout of the interface\");")
    return lines + [""]


def stub_parameters(operation):
    parameters = ["uint64_t gate"]
    for field in operation.fields["in"]:
        if field.kind == "bytes":
            parameters += [f"const void *{field.name}", f"uint32_t {field.name}_bytes"]
        elif field.kind == "capability":
            parameters.append(f"uint32_t {field.name}")
        else:
            parameters.append(f"uint{8 * SIZES[field.kind]}_t {field.name}")
    parameters += [f"uint32_t receive_{f.name}" for f in operation.reply.capabilities]
    if operation.reply.exists():
        parameters.append(f"struct {operation.reply.tag} *reply")
    return ", ".join(parameters)


def stub_request(operation):
    request = operation.request
    lines = []
    if request.words:
        lines += [f"    struct {request.tag} request;", "    memset(&request, 0, sizeof(request));"]
    for field in request.words:
        if field.kind == "bytes":
            lines += [f"    if ({field.name}_bytes > {field.limit}) {{",
                      "        return STATUS_TOO_LARGE;", "    }",
                      f"    request.{field.name}.length_bytes = {field.name}_bytes;",
                      f"    memcpy(request.{field.name}.data, {field.name}, {field.name}_bytes);"]
        else:
            lines.append(f"    request.{field.name} = {field.name};")
    return lines


def stub_text(operation):
    request, reply = operation.request, operation.reply
    lines = [f"static inline MUST_USE status_t {operation.prefix}({stub_parameters(operation)})",
             "{", *stub_request(operation)]
    call = [f".operation = {operation.number}"]
    if request.words:
        call += [".request = &request", f".request_bytes = {request.bytes}"]
    if request.capabilities:
        lines.append("    const uint32_t send[] = {%s};"
                     % ", ".join(f.name for f in request.capabilities))
        call += [".send = send", f".send_count = {len(request.capabilities)}"]
    if reply.capabilities:
        lines.append("    const uint32_t receive[] = {%s};"
                     % ", ".join("receive_" + f.name for f in reply.capabilities))
        call += [".receive = receive", f".receive_count = {len(reply.capabilities)}"]
    lines.append("    uint32_t received = 0;")
    call.append(".received = &received")
    if reply.exists():
        lines.append(f"    struct {reply.tag} answer;")
        lines.append("    memset(&answer, 0, sizeof(answer));")
        call += [".reply = &answer", f".reply_bytes = {reply.bytes}"]
    lines += ["    const struct call call = {%s};" % ", ".join(call),
              "    status_t status = call_gate(gate, &call);"]
    if not reply.exists():
        return lines + ["    return status;", "}", ""]
    lines += ["    if (status != STATUS_OK) {", "        return status;", "    }"]
    for field in reply.words:
        if field.kind == "bytes":
            lines += [f"    if (answer.{field.name}.length_bytes > {field.limit}) {{",
                      "        return STATUS_CORRUPT;", "    }"]
    for index, field in enumerate(reply.capabilities):
        lines.append(f"    answer.{field.name} = received > {index} ? receive[{index}] : SLOT_NONE;")
    return lines + ["    *reply = answer;", "    return STATUS_OK;", "}", ""]


def client_text(interface, operations, source):
    lines = [f"/* Generated from {source}. */", "#pragma once", "", '#include "lib/oak/call.h"', "",
             f"enum {interface}_operation {{"]
    lines += [f"    {o.prefix.upper()} = {o.number}," for o in operations]
    lines += ["};", ""]
    for operation in operations:
        for message in (operation.request, operation.reply):
            if message.exists():
                lines += struct_text(message)
    for operation in operations:
        lines += stub_text(operation)
    return "\n".join(lines)


def handler_arguments(operation):
    arguments = ["struct service_call *call"]
    if operation.request.exists():
        arguments.append(f"const struct {operation.request.tag} *request")
    if operation.reply.exists():
        arguments.append(f"struct {operation.reply.tag} *reply")
    return ", ".join(arguments)


def answer_text(operation):
    """Two functions: put a reply into a message, and answer a deferred call with it."""
    reply = operation.reply
    slots = ", ".join(f"reply->{f.name}" for f in reply.capabilities) or "SLOT_NONE"
    return [f"static inline void {operation.prefix}_answer(uint32_t endpoint, uint64_t token, "
            f"const struct {reply.tag} *reply)", "{",
            f"    const uint32_t slots[] = {{{slots}}};",
            f"    service_answer_with(endpoint, token, reply, {reply.bytes}, slots, "
            f"{len(reply.capabilities)});", "}", ""]


def serve_text(operation):
    request, reply = operation.request, operation.reply
    lines = [f"static inline status_t {operation.prefix}_serve("
             f"const struct {operation.interface}_handlers *handlers, struct service_call *call)",
             "{", f"    if (handlers->{operation.name} == NULL) {{",
             "        return STATUS_NOT_SUPPORTED;", "    }",
             f"    if (!service_request_matches(call, {request.bytes}, "
             f"{len(request.capabilities)})) {{", "        return STATUS_INVALID_ARGUMENT;", "    }"]
    arguments = ["call"]
    if request.exists():
        arguments.append("&request")
        lines += [f"    struct {request.tag} request;", "    memset(&request, 0, sizeof(request));",
                  f"    memcpy(&request, call->request, {request.bytes});"]
        for field in request.words:
            if field.kind == "bytes":
                lines += [f"    if (request.{field.name}.length_bytes > {field.limit}) {{",
                          "        return STATUS_INVALID_ARGUMENT;", "    }"]
        for index, field in enumerate(request.capabilities):
            lines.append(f"    request.{field.name} = call->received[{index}];")
    if reply.exists():
        arguments.append("&reply")
        lines += [f"    struct {reply.tag} reply;", "    memset(&reply, 0, sizeof(reply));"]
    lines.append(f"    status_t status = handlers->{operation.name}({', '.join(arguments)});")
    if reply.exists():
        slots = ", ".join(f"reply.{f.name}" for f in reply.capabilities) or "SLOT_NONE"
        lines += ["    if (status == STATUS_OK) {", f"        const uint32_t slots[] = {{{slots}}};",
                  f"        service_put_reply(call, &reply, {reply.bytes}, slots, "
                  f"{len(reply.capabilities)});", "    }"]
    return lines + ["    return status;", "}", ""]


def server_text(interface, operations, source):
    lines = [f"/* Generated from {source}. */", "#pragma once", "",
             f'#include "abi/{interface}.idl.h"', '#include "lib/oak/service.h"', "",
             f"struct {interface}_handlers {{"]
    for operation in operations:
        lines.append(f"    status_t (*{operation.name})({handler_arguments(operation)});")
    lines += ["};", ""]
    for operation in operations:
        if operation.reply.exists():
            lines += answer_text(operation)
    for operation in operations:
        lines += serve_text(operation)
    lines += [f"static inline status_t {interface}_dispatch(const void *handlers, "
              "struct service_call *call)", "{", "    switch (MESSAGE_OPERATION(call->header)) {"]
    for operation in operations:
        lines += [f"    case {operation.number}:",
                  f"        return {operation.prefix}_serve(handlers, call);"]
    return "\n".join(lines + ["    default:", "        return STATUS_NOT_SUPPORTED;", "    }", "}",
                              ""])


def main(arguments):
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[1], encoding="ascii") as source:
            interface, operations = parse(source.read())
        texts = (client_text, server_text)
        for path, text in zip(arguments[2:], texts):
            with open(path, "w", encoding="ascii") as target:
                target.write(text(interface, operations, arguments[1]))
    except (Mistake, OSError, UnicodeError) as mistake:
        print(f"{arguments[1]}: {mistake}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
