"""Which part of a node a sampled stack belongs to."""

import re
from collections import Counter

#: The first frame, from the innermost on, that one of these begins decides: so an allocation, a copy of memory or a
#: system call is its caller's. Within one frame the first pattern decides.
PARTS = [
    ("telemetry", r"tracing|opentelemetry|prometheus|shopnode::telemetry"),
    ("sled", r"sled|pagecache|crossbeam_epoch|storage::sled"),
    ("JSON", r"serde_json|serde_path_to_error"),
    ("codec", r"bincode|raft::codec|raft::rpc|storage::codec|storage::key|shop::command"),
    ("auth", r"shopnode::auth|jsonwebtoken|sha2|hmac|argon2|shopnode::gateway::(principal|credentials|authenticate)"),
    ("QUIC", r"quinn|quinn_proto|quinn_udp|net|rustls|aws_lc|ring"),
    ("WAL", r"raft_log|raft::log|codeq"),
    ("apply", r"shop|storage|shopnode::machine|raft::(applier|apply_thread|state_machine|tables)|xxhash_rust"),
    ("Raft", r"openraft|raft|openraft_rt"),
    ("forwarding", r"shopnode::(proposer|peers)"),
    ("HTTP", r"hyper|hyper_util|axum|axum_core|tower|tower_http|http|http_body|http_body_util|httparse|httpdate|h2|"
             r"matchit|shopnode"),
    ("task switching", r"tokio|mio|futures|futures_util|futures_channel|crossbeam|parking_lot|std::sys|std::thread"),
]
_COMPILED = [(part, re.compile(rf"(?:{pattern})(?:::|$)")) for part, pattern in PARTS]
#: What a C library of TLS calls its functions.
_TLS = re.compile(r"^(aws_lc_|aes_|gcm_|ecp_|x25519|sha256_|sha512_|chacha|poly1305|EVP_|CRYPTO_|bn_|p256_)")
#: `<sled::Tree as core::ops::Drop>::drop` is sled's: what stands before is of no matter.
_PREFIX = re.compile(r"^(?:[<&*\[( ]|dyn |mut |const )*")
#: Wrappers that say nothing: what they wrap does.
_TRANSPARENT = re.compile(r"^(core|alloc|std|tracing::instrument|tokio::(runtime::task|task|time::timeout|select|macros)|"
                          r"futures_util|futures_core|tower::(util|service))::")


def part_of(symbol):
    """The part of one function, if its name tells."""
    if _TLS.match(symbol):
        return "QUIC"
    name = _PREFIX.sub("", symbol)
    if _TRANSPARENT.match(name):
        return None
    return next((part for part, pattern in _COMPILED if pattern.match(name)), None)


def part_of_stack(symbols):
    """`symbols` from the innermost on."""
    return next(filter(None, map(part_of, symbols)), None) or "unknown"


def stacks(lines):
    """Process, thread and symbols, from the innermost on, of what `perf script -F comm,pid,tid,ip,sym` prints."""
    head, symbols = None, []
    for line in [*lines, "end"]:
        if line[:1].isspace() and line.strip():
            symbols.append(line.strip().partition(" ")[2].split("+0x")[0])
        elif line.strip():
            if head and symbols:
                yield int(head[2]), head[1].strip(), symbols
            head, symbols = re.match(r"(.*?)\s+(\d+)/(\d+)", line), []


def count(lines):
    """Samples by process and part, by process and thread, and by innermost function."""
    parts, threads, functions = Counter(), Counter(), Counter()
    for process, thread, symbols in stacks(lines):
        part = part_of_stack(symbols)
        parts[process, part] += 1
        threads[process, thread] += 1
        functions[f"{part}: {symbols[0]}"] += 1
    return parts, threads, functions
