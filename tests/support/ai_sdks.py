"""Remotes that ask and answer in the types of the official clients.

One server stands in for all of them. The model that is asked for names the case. A request is read with the
client's own types for requests, and must be the same once they have written it again; then the official client
is made to ask the same of this server, and must have sent the same. Answers and errors are written by the
client's types. `GET /seen` tells what was found.
"""

import json
import sys
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import mistralai.client as mistral
import ollama
import openai
from anthropic.types import shared as claude_errors
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from google import genai
from google.genai import types as gemini
from mistralai.client import errors as mistral_errors
from mistralai.client import models as mistral_types
from ollama import _types as ollama_types
from openai.types import responses as openai_responses
from openai.types import shared as openai_shared
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

KEY = "key-of-the-test"

THOUGHT = {
    "summary": "The disk of db-3 is nearly full.",
    "probable_cause": "Logs that nobody archives.",
    "recommendations": [
        {"type": "disk", "priority": "critical", "title": "Make room", "description": "It fills within the hour.",
         "actions": ["df -h /"]},
    ],
}
TEXTS = {
    "answered": json.dumps(THOUGHT),
    "fenced": "Here it is:\n```json\n" + json.dumps(THOUGHT, indent=1) + "\n```",
    "prose": "It is the disk. Look at it.",
    "cut": json.dumps(THOUGHT)[:-20],
    "structure": json.dumps(THOUGHT),
    "refused": "",
    "empty": "",
}
# What each case that is an error is for a client that speaks HTTP.
ERRORS = {"key": 401, "forbidden": 403, "missing": 404, "slow_down": 429, "spent": 429, "broken": 500, "too_long": 400}


def plain(value):
    """Iterators of lazy validation as lists."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(one) for one in value]
    return value


def typed_dict(kind):
    adapter = TypeAdapter(kind)
    return lambda body: plain(adapter.validate_python(body))


def model(kind):
    return lambda body: json.loads(kind.model_validate(body).model_dump_json(exclude_unset=True, by_alias=True))


# OpenAI's chat, which copilot and grok speak too.


def chat_answer(case):
    message = {"role": "assistant", "content": TEXTS[case], "refusal": None}
    if case == "refused":
        message.update(content=None, refusal="I will not.")
    finish = "length" if case == "cut" else "stop"
    return ChatCompletion.model_validate({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 31, "completion_tokens": 7, "total_tokens": 38},
    }).model_dump_json()


def chat_error(case):
    code, kind, message = {
        "key": ("invalid_api_key", "invalid_request_error", f"Incorrect API key provided: {KEY}0123456789abcdef."),
        "forbidden": (None, "permission_error", "not allowed"),
        "missing": ("model_not_found", "invalid_request_error", "The model does not exist"),
        "slow_down": ("rate_limit_exceeded", "requests", "Rate limit reached"),
        "spent": ("insufficient_quota", "insufficient_quota", "You exceeded your current quota"),
        "broken": (None, "server_error", "The server had an error"),
        "too_long": ("context_length_exceeded", "invalid_request_error", "maximum context length is 10 tokens"),
        "structure": ("unsupported_parameter", "invalid_request_error", "'response_format' is not supported"),
    }[case]
    error = openai_shared.ErrorObject(code=code, message=message, param=None, type=kind)
    return json.dumps({"error": error.model_dump(exclude_unset=True)})


def ask_openai(base, path, body):
    client = openai.OpenAI(base_url=base, api_key=KEY, max_retries=0)
    if path.endswith("/responses"):
        return client.responses.create(**body)
    return client.chat.completions.create(**body)


def responses_answer(case):
    part = {"type": "output_text", "text": TEXTS[case], "annotations": []}
    if case == "refused":
        part = {"type": "refusal", "refusal": "I will not."}
    cut = case == "cut"
    return openai_responses.Response.model_validate({
        "id": "r1", "object": "response", "created_at": 1.0, "model": "m-1", "error": None,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None, "metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "temperature": 1.0, "top_p": 1.0,
        "output": [
            {"id": "rs1", "type": "reasoning", "summary": []},
            {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [part]},
        ],
        "usage": {
            "input_tokens": 31, "output_tokens": 7, "total_tokens": 38,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
    }).model_dump_json()


# Anthropic.


def claude_answer(case):
    text = [{"type": "text", "text": TEXTS[case], "citations": None}] if TEXTS[case] else []
    return anthropic.types.Message.model_validate({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, *text],
        "stop_reason": {"cut": "max_tokens", "refused": "refusal"}.get(case, "end_turn"), "stop_sequence": None,
        "stop_details": {"type": "refusal", "explanation": "I will not."} if case == "refused" else None,
        "usage": {"input_tokens": 1, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 20,
                  "output_tokens": 7},
    }).model_dump_json()


def claude_error(case):
    kind, message = {
        "key": ("authentication_error", f"invalid x-api-key {KEY}0123456789abcdef"),
        "forbidden": ("permission_error", "not allowed"),
        "missing": ("not_found_error", "model: missing"),
        "slow_down": ("rate_limit_error", "too many tokens per minute, slow down"),
        "spent": ("rate_limit_error", "you have reached your API spend limit"),
        "broken": ("api_error", "Internal server error"),
        "too_long": ("invalid_request_error", "prompt is too long: 3 tokens > 2 maximum"),
        "structure": ("invalid_request_error", "output_config: Extra inputs are not permitted"),
    }[case]
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    written = claude_errors.ErrorResponse.model_validate(error)
    assert written.error.type == kind
    return written.model_dump_json(exclude_unset=True)


def ask_claude(base, _path, body):
    client = anthropic.Anthropic(
        base_url=base, api_key=KEY, max_retries=0, default_headers={"anthropic-version": "2023-06-01"}
    )
    return client.messages.create(**body)


# Gemini. Its client has no type for the whole body, so its parts are read by theirs.


def gemini_request(body):
    read = lambda kind, part: json.loads(
        kind.model_validate(part).model_dump_json(exclude_unset=True, by_alias=True)
    )
    return {
        "systemInstruction": read(gemini.Content, body["systemInstruction"]),
        "contents": [read(gemini.Content, content) for content in body["contents"]],
        "generationConfig": read(gemini.GenerationConfig, body["generationConfig"]),
    }


def gemini_answer(case):
    parts = [{"text": "hm", "thought": True}, {"text": TEXTS[case]}]
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    finish = "MAX_TOKENS" if case == "cut" else "STOP"
    candidates = {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}]}
    return gemini.GenerateContentResponse.model_validate({
        **(blocked if case == "refused" else candidates), "modelVersion": "m-1",
        "usageMetadata": {"promptTokenCount": 31, "candidatesTokenCount": 5, "thoughtsTokenCount": 2,
                          "totalTokenCount": 38},
    }).model_dump_json(exclude_unset=True, by_alias=True)


def gemini_error(case):
    status, word, message, details = {
        "key": (400, "INVALID_ARGUMENT", f"API key not valid: {KEY}0123456789abcdef.", "API_KEY_INVALID"),
        "forbidden": (403, "PERMISSION_DENIED", "not allowed", None),
        "missing": (404, "NOT_FOUND", "models/missing is not found", None),
        "slow_down": (429, "RESOURCE_EXHAUSTED", "You exceeded your rate", None),
        "spent": (402, "FAILED_PRECONDITION", "no credit", None),
        "broken": (500, "INTERNAL", "An internal error has occurred", None),
        "too_long": (400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum (3)", None),
        "structure": (400, "INVALID_ARGUMENT", 'Unknown name "responseJsonSchema"', None),
    }[case]
    info = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": details}] if details else []
    retry = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6.5s"}]
    details = info + (retry if case == "slow_down" else [])
    return status, json.dumps(
        {"error": {"code": status, "message": message, "status": word, "details": details}}
    )


def ask_gemini(base, path, body):
    version, model_name = path.split("/")[1], path.split("/models/")[1].split(":")[0]
    options = gemini.HttpOptions(base_url=base, api_version=version)
    config = body["generationConfig"]
    asked = gemini.GenerateContentConfig(
        system_instruction=gemini.Content.model_validate(body["systemInstruction"]),
        max_output_tokens=config["maxOutputTokens"],
        temperature=config.get("temperature"),
        response_mime_type=config.get("responseMimeType"),
        response_json_schema=config.get("responseJsonSchema"),
    )
    with genai.Client(api_key=KEY, http_options=options) as client:
        return client.models.generate_content(
            model=model_name, contents=[gemini.Content.model_validate(body["contents"][0])], config=asked
        )


# Mistral.


def mistral_answer(case):
    content = TEXTS[case]
    if case == "fenced":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
        content = [thinking, {"type": "text", "text": content}]
    return mistral_types.ChatCompletionResponse.model_validate({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": content},
            "finish_reason": "length" if case == "cut" else "stop",
        }],
        "usage": {"prompt_tokens": 31, "completion_tokens": 7, "total_tokens": 38},
    }).model_dump_json(by_alias=True)


def mistral_error(case):
    if case == "structure":
        detail = {"type": "extra_forbidden", "loc": ["body", "response_format"], "msg": "not permitted"}
        data = mistral_errors.HTTPValidationErrorData.model_validate({"detail": [detail]})
        return 422, data.model_dump_json(by_alias=True, exclude_unset=True)
    message = {
        "key": "Unauthorized", "forbidden": "not allowed", "missing": "no such model",
        "slow_down": "Requests rate limit exceeded", "spent": "insufficient_quota", "broken": "Internal Server Error",
        "too_long": "Prompt contains 9 tokens, too large for model with 3 maximum context length",
    }[case]
    if case == "key":
        return 401, json.dumps({"detail": message})
    return ERRORS[case], json.dumps({
        "object": "error", "message": message, "type": "t", "param": None, "code": "1300",
        "raw_status_code": ERRORS[case],
    })


def ask_mistral(base, _path, body):
    with mistral.Mistral(api_key=KEY, server_url=base) as client:
        return client.chat.complete(**body)


# Ollama.


def ollama_answer(case):
    return ollama_types.ChatResponse.model_validate({
        "model": "m-1", "created_at": "2026-06-01T12:00:00Z", "done": True,
        "done_reason": "length" if case == "cut" else "stop",
        "message": {"role": "assistant", "content": TEXTS[case]},
        "prompt_eval_count": 31, "eval_count": 7, "total_duration": 5,
    }).model_dump_json(exclude_none=True)


def ollama_error(case):
    message = {
        "key": "unauthorized", "forbidden": "not allowed", "missing": "model 'missing' not found",
        "slow_down": "slow down", "spent": "insufficient_quota", "broken": "runner has terminated",
        "too_long": "the prompt exceeds the context window", "structure": "invalid format",
    }[case]
    return json.dumps({"error": message})


def ask_ollama(base, _path, body):
    return ollama.Client(host=base, headers={"authorization": f"Bearer {KEY}"}).chat(**body)


def with_status(write):
    return lambda case: (400 if case == "structure" else ERRORS[case], write(case))


CHAT = (typed_dict(CompletionCreateParamsNonStreaming), chat_answer, with_status(chat_error), ask_openai)
# For each remote: how a request is read, how an answer and an error are written, and how the client asks.
REMOTES = {
    "openai": CHAT,
    "copilot": CHAT,
    "grok": CHAT,
    "responses": (
        typed_dict(ResponseCreateParamsNonStreaming), responses_answer, with_status(chat_error), ask_openai,
    ),
    "claude": (typed_dict(MessageCreateParamsNonStreaming), claude_answer, with_status(claude_error), ask_claude),
    "gemini": (gemini_request, gemini_answer, gemini_error, ask_gemini),
    "mistral": (model(mistral_types.ChatCompletionRequest), mistral_answer, mistral_error, ask_mistral),
    "ollama": (model(ollama_types.ChatRequest), ollama_answer, with_status(ollama_error), ask_ollama),
}
# What of a path belongs to the address that an official client is given.
PREFIX = {"openai": "/v1", "responses": "/v1", "grok": "/v1", "copilot": "/inference"}
# What the official clients add to what they are told: defaults of theirs.
ADDED = {"mistral": {"stream": False}, "ollama": {"tools": []}}
STRUCTURE = ("response_format", "text", "output_config", "responseJsonSchema", "format")
AUTH = ("authorization", "x-api-key", "x-goog-api-key")
SEEN, CAPTURED, LOCK = [], {}, threading.Lock()


def compare(remote, path, case, body, base, ask):
    """Has the official client ask the same; returns what differs, and what became of its request."""
    with LOCK:
        CAPTURED.clear()
        try:
            ask(f"{base}/official/{remote}{PREFIX.get(remote, '')}", path, body)
            outcome = "answered"
        except Exception as error:  # whatever a client throws is what its users see
            outcome = type(error).__name__
        sent = dict(CAPTURED)
    differs = []
    if sent.get("path") != path:
        differs.append(f"the official client asks {sent.get('path')} and not {path}")
    official = {key: value for key, value in sent.get("body", {}).items()
                if ADDED.get(remote, {}).get(key, body) != value}
    if remote == "gemini":
        # The client gives instructions a role; the API takes them with and without.
        official.get("systemInstruction", {}).pop("role", None)
    if official != body:
        differs.append(f"the official client sends {json.dumps(official)} and not {json.dumps(body)}")
    return differs, outcome, sent.get("auth")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, text, headers=()):
        data = text.encode()
        self.send_response(status)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.reply(200, json.dumps(SEEN))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        _, first, *rest = self.path.split("/")
        is_official = first == "official"
        remote = rest.pop(0) if is_official else first
        path = "/" + "/".join(rest)
        case = path.split("/models/")[1].split(":")[0] if remote == "gemini" else body["model"]
        read, answer, error, ask = REMOTES[remote]
        auth = {name: self.headers[name] for name in AUTH if self.headers[name]}
        if is_official:
            CAPTURED.update(path=path, body=body, auth=auth)
        else:
            self.examine(remote, path, case, body, auth, read, ask)
        structured = any(key in {**body, **body.get("generationConfig", {})} for key in STRUCTURE)
        if case in ERRORS or (case == "structure" and structured):
            status, text = error(case)
            headers = [("retry-after", "6.5")] if case == "slow_down" and remote != "gemini" else []
            self.reply(status, text, headers)
        else:
            self.reply(200, answer(case))

    def examine(self, remote, path, case, body, auth, read, ask):
        problems = []
        try:
            again = read(body)
            if again != body:
                problems.append(f"the types make {json.dumps(again)} of {json.dumps(body)}")
        except Exception as error:
            problems.append(f"the types refuse {json.dumps(body)}: {error}")
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        differs, client, official_auth = compare(remote, path, case, body, base, ask)
        SEEN.append({
            "remote": remote, "case": case, "path": path, "problems": problems + differs, "client": client,
            "auth": auth, "official_auth": official_auth, "query": "?" in self.path,
        })


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
# Ends with the test: it holds the other end of standard input.
threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
server.serve_forever()
