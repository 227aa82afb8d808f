/*
 * wsload: a WebSocket load generator, single-threaded, on epoll. Only loopback addresses are accepted.
 *
 *   fanout    publishers keep at most -w messages that not everyone has yet; -w 1 forbids a server any batching
 *   latency   publishes at -r messages a second, open loop: time counts from the moment a message was due
 *   pingpong  pairs, one topic each, one request in flight each
 *   storm     connect, be ready, reset; -k in flight
 *   idle      connections over --topics topics, then their memory and the CPU at rest
 *   joins     connections to one topic, until everybody there has heard of everybody who came later
 *
 * fanout with --neighbour RATE also times messages in another topic; latency with --stalled N adds
 * subscribers that stop reading, and with --memory watches the server's peak. --port A,B spreads the
 * connections over several nodes. --tokens FILE (lines NAME TOKEN) is what {token} in a --header stands for.
 * One JSON object goes to stdout. Linux; gcc -O2 -Wall -Wextra -o wsload wsload.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING (1u << 16)
#define HEAD 320 /* bytes of a message kept for identification */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "wsload: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    exit(2);
}

/* ---------------------------------------------------------------- options */
static struct {
    const char *addr, *path, *proto, *mode, *subproto, *kind, *ready, *payload, *to, *pubname, *subname,
        *label;
    const char *hdr[8];
    int nhdr, ports[8], nports, subs, pubs, topics, size, window, pairs, conns, concurrency, deflate, spin,
        stalled, memory;
    double rate, neighbour, duration, warmup, settle;
    int pids[32], npids;
} o = {
    .addr = "127.0.0.1",
    .path = "/ws?topic={topic}",
    .proto = "raw",
    .mode = "fanout",
    .kind = "mcp/request:tools/call:bench",
    .ready = "open",
    .payload = "struct",
    .pubname = "p{i}",
    .subname = "s{i}",
    .label = "",
    .ports = {9000},
    .nports = 1,
    .subs = 100,
    .pubs = 1,
    .topics = 1,
    .size = 300,
    .window = 32,
    .pairs = 1,
    .conns = 10000,
    .concurrency = 64,
    .duration = 3,
    .warmup = 0.7,
    .settle = 1.0,
    .rate = 100,
};

/* ---------------------------------------------------------------- histogram (log-linear, 1/64 precision) */
static uint64_t hist[64 * 64];
static uint64_t hist_n, hist_max;
static inline void hist_add(uint64_t v)
{
    hist_n++;
    if (v > hist_max) hist_max = v;
    unsigned e = v < 128 ? 0 : (63 - __builtin_clzll(v)) - 6;
    unsigned idx = e ? 128 + (e - 1) * 64 + (unsigned)(v >> e) - 64 : (unsigned)v;
    hist[idx]++;
}
static double hist_pct(double p)
{
    if (!hist_n) return 0;
    uint64_t want = (uint64_t)(p * hist_n + 0.999999), acc = 0;
    if (want < 1) want = 1;
    for (unsigned i = 0; i < 64 * 64; i++) {
        acc += hist[i];
        if (acc >= want) {
            if (i < 128) return i;
            unsigned e = (i - 128) / 64 + 1, m = (i - 128) % 64 + 64;
            return (double)((uint64_t)m << e) + (double)(1ull << e) / 2;
        }
    }
    return hist_max;
}

/* ---------------------------------------------------------------- connections */
enum role { PUB, SUB, PING_A, PING_B, NEIGHBOUR_A, NEIGHBOUR_B, STALLED, PLAIN };
enum state { CONNECTING, HTTP, HELLO, READY, CLOSED };
typedef struct conn {
    int fd;
    uint8_t state, role, opcode, fin, in_payload, frame_op;
    int idx, topic;
    /* ws frame parser */
    uint8_t hdr[10];
    int hlen;
    uint64_t remain;
    /* message head capture */
    int headlen;
    uint64_t msglen;
    char head[HEAD];
    /* http / stream line buffer */
    char *line;
    int linelen, linecap;
    /* stream protocols */
    int sp_state;
    uint64_t sp_remain;
    /* output */
    char *out;
    size_t outlen, outoff, outcap;
    int want_out;
    uint64_t got; /* bench messages received */
    uint64_t t0;
    char name[48];
} conn;

static int ep;
static conn **all;
static int nall;
static struct sockaddr_in dst;
static uint64_t total_deliv, total_bytes, gaps, disorder, hello_done, failed, noise, total_reads;
static int measuring;

typedef struct {
    const char *name;
    void (*on_open)(conn *);
    void (*on_chunk)(conn *, int first, int last, const char *, size_t);
    size_t (*wrap)(conn *, char *dst, const char *env, size_t n); /* application framing of one publish */
    int binary;
} proto_t;
static const proto_t *P;

static void conn_close(conn *c, int rst)
{
    if (c->fd >= 0) {
        if (rst) {
            struct linger l = {1, 0};
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
        }
        close(c->fd);
    }
    c->fd = -1;
    c->state = CLOSED;
}

static void flush_out(conn *c)
{
    while (c->outoff < c->outlen) {
        ssize_t r = send(c->fd, c->out + c->outoff, c->outlen - c->outoff, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EAGAIN) {
                if (!c->want_out) {
                    struct epoll_event ev = {EPOLLIN | EPOLLOUT, {.ptr = c}};
                    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
                    c->want_out = 1;
                }
                return;
            }
            failed++;
            conn_close(c, 0);
            return;
        }
        c->outoff += r;
    }
    c->outoff = c->outlen = 0;
    if (c->want_out) {
        struct epoll_event ev = {EPOLLIN, {.ptr = c}};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
        c->want_out = 0;
    }
}

static char *out_reserve(conn *c, size_t n)
{
    if (c->outlen + n > c->outcap) {
        c->outcap = (c->outlen + n) * 2 + 4096;
        c->out = realloc(c->out, c->outcap);
    }
    return c->out + c->outlen;
}

static uint32_t rng = 0x9e3779b9;
static void ws_send(conn *c, int op, const char *p, size_t n)
{
    uint8_t *d = (uint8_t *)out_reserve(c, n + 14), *s = d;
    *d++ = 0x80 | op;
    if (n < 126) *d++ = 0x80 | n;
    else if (n < 65536) {
        *d++ = 0x80 | 126;
        *d++ = n >> 8;
        *d++ = n;
    } else {
        *d++ = 0x80 | 127;
        for (int i = 7; i >= 0; i--) *d++ = (uint64_t)n >> (8 * i);
    }
    rng = rng * 1664525 + 1013904223;
    uint32_t m = rng | 0x01010101;
    memcpy(d, &m, 4);
    d += 4;
    uint64_t mm = m | (uint64_t)m << 32, w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&w, p + i, 8);
        w ^= mm;
        memcpy(d + i, &w, 8);
    }
    for (; i < n; i++) d[i] = p[i] ^ ((uint8_t *)&m)[i & 3];
    c->outlen += (d - s) + n;
}

/* ---------------------------------------------------------------- envelopes */
static size_t env_len, env_idoff;
static size_t build_env(char *dst, size_t cap, const char *id, const char *from, const char *to, int size)
{
    size_t n = snprintf(dst, cap,
        "{\"protocol\":\"mcpx/v0.1\",\"id\":\"%s\",\"ts\":\"2025-08-26T14:00:00Z\",\"from\":\"%s\",%s%s%s\"kind\":\"%s\",\"payload\":"
        "{\"jsonrpc\":\"2.0\",\"id\":42,\"method\":\"tools/call\",\"params\":{\"name\":\"bench\",\"arguments\":{",
        id, from, to ? "\"to\":[\"" : "", to ? to : "", to ? "\"]," : "", o.kind);
    size_t tail = 5 + 10; /* "pad":"" + }}}} */
    if (!strcmp(o.payload, "struct")) {
        n += snprintf(dst + n, cap - n, "\"items\":[0");
        int k = 0;
        while (n + 64 + tail + 16 < (size_t)size)
            n += snprintf(dst + n, cap - n, ",{\"k\":\"key-%05d\",\"v\":%d,\"t\":\"lorem ipsum dolor\"}",
                k % 99999, 10000 + (k * 7919) % 89999),
                k++;
        n += snprintf(dst + n, cap - n, "],");
    }
    n += snprintf(dst + n, cap - n, "\"pad\":\"");
    while (n + 5 < (size_t)size) dst[n++] = 'x';
    n += snprintf(dst + n, cap - n, "\"}}}}");
    return n;
}
static void put_hex(char *d, uint64_t v)
{
    for (int i = 15; i >= 0; i--, v >>= 4) d[i] = "0123456789abcdef"[v & 15];
}
static uint64_t get_hex(const char *d)
{
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        int ch = d[i];
        v = v << 4 | (ch <= '9' ? ch - '0' : ch - 'a' + 10);
    }
    return v;
}

/* ---------------------------------------------------------------- measurement state */
static uint64_t pub_seq, done_seq; /* published, fully delivered */
static uint32_t ring_cnt[RING];
static uint64_t ring_t[RING];
/* What the first receiver heard in this place; all others must hear the same. */
static uint64_t ring_seq[RING];
static int nsub_ready;
static uint64_t rtts;
static conn **pubs, **subs;
static char *wrapbuf;
static conn *neighbour_a, *neighbour_b;
static uint64_t neighbour_t[RING], neighbour_seq, neighbour_due, neighbour_polled;
static char *neighbour_env;
static size_t neighbour_len;
static conn **stalled;
static int stalled_closed, stalled_code;

static void publish(conn *c, char tag, uint64_t seq, char *env, size_t n, size_t idoff)
{
    env[idoff + 4] = tag;
    put_hex(env + idoff + 6, seq);
    size_t m = P->wrap ? P->wrap(c, wrapbuf, env, n) : 0;
    if (m) ws_send(c, P->binary ? 2 : 1, wrapbuf, m);
    else ws_send(c, P->binary ? 2 : 1, env, n);
}

static char **pub_env;
static size_t *pub_envlen;
static uint64_t pp_t[65536];
static void pp_send(conn *c, char tag, uint64_t seq);

static inline const char *find_id(const char *p, size_t n)
{
    /* "id":"wsb- at the template's offset, or anywhere in the head */
    if (env_idoff && n > env_idoff + 22 && !memcmp(p + env_idoff, "wsb-", 4)) return p + env_idoff;
    const char *q = memmem(p, n, "wsb-", 4);
    return q && q + 22 <= p + n ? q : NULL;
}

static void ready(conn *c)
{
    if (c->state == READY) return;
    c->state = READY;
    hello_done++;
}

/* one application message: head (<= HEAD bytes) and its full length */
static void on_msg(conn *c, const char *p, size_t headlen, size_t full)
{
    if (c->state != READY) {
        if (!strcmp(o.ready, "welcome")) ready(c);
        return;
    }
    const char *id = NULL;
    if (o.deflate) {
        if (!measuring && !pub_seq) return;
    } else {
        id = find_id(p, headlen);
        if (!id) {
            noise++;
            return;
        }
    }
    if (c->role == STALLED) return;
    if (c->role == NEIGHBOUR_B) {
        if (measuring) hist_add(now_ns() - neighbour_t[get_hex(id + 6) % RING]);
        return;
    }
    total_deliv++;
    total_bytes += full;
    if (c->role == SUB) {
        uint64_t k = c->got++;
        uint32_t before = ring_cnt[k % RING]++;
        if (before + 1 == (uint32_t)nsub_ready) {
            ring_cnt[k % RING] = 0;
            done_seq++;
        }
        if (id) {
            uint64_t seq = get_hex(id + 6);
            if (o.pubs == 1 && seq != k) gaps++;
            if (before == 0) ring_seq[k % RING] = seq;
            else if (ring_seq[k % RING] != seq) disorder++;
            if (measuring == 2) hist_add(now_ns() - ring_t[seq % RING]);
        }
    } else if (c->role == PING_B) {
        if (id && id[4] == 'q') pp_send(c, 'r', get_hex(id + 6));
    } else if (c->role == PING_A) {
        if (id && id[4] == 'r') {
            uint64_t t = now_ns();
            if (measuring == 2) {
                hist_add(t - pp_t[c->idx]);
                rtts++;
            }
            pp_t[c->idx] = now_ns();
            pp_send(c, 'q', ++c->got);
        }
    }
}

/* ---------------------------------------------------------------- raw protocol */
static void raw_open(conn *c)
{
    if (strcmp(o.ready, "welcome")) ready(c);
}
static void raw_chunk(conn *c, int first, int last, const char *p, size_t n)
{
    if (first && last) {
        on_msg(c, p, n < HEAD ? n : HEAD, n);
        return;
    }
    if (first) {
        c->headlen = 0;
        c->msglen = 0;
    }
    size_t k = HEAD - c->headlen;
    if (k > n) k = n;
    memcpy(c->head + c->headlen, p, k);
    c->headlen += k;
    c->msglen += n;
    if (last) on_msg(c, c->head, c->headlen, c->msglen);
}

/* ---------------------------------------------------------------- NATS */
static void topic_name(conn *c, char *d)
{
    sprintf(d, "bench%d", c->topic);
}
static void nats_open(conn *c)
{
    char b[256], t[32];
    topic_name(c, t);
    int n = snprintf(b, sizeof b,
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n%s%s%sPING\r\n",
        c->role == PUB ? "" : "SUB ", c->role == PUB ? "" : t, c->role == PUB ? "" : " 1\r\n");
    ws_send(c, 2, b, n);
    flush_out(c);
}
static void line_add(conn *c, const char *p, size_t n)
{
    if (c->linelen + (int)n + 1 > c->linecap) {
        c->linecap = (c->linelen + n + 1) * 2;
        c->line = realloc(c->line, c->linecap);
    }
    memcpy(c->line + c->linelen, p, n);
    c->linelen += n;
    c->line[c->linelen] = 0;
}
static void nats_chunk(conn *c, int first, int last, const char *p, size_t n)
{
    (void)first;
    (void)last;
    while (n) {
        if (c->sp_state == 0) { /* control line */
            const char *e = memchr(p, '\n', n);
            if (!e) {
                line_add(c, p, n);
                return;
            }
            const char *l = p;
            size_t ll = e - p + 1;
            if (c->linelen) {
                line_add(c, p, ll);
                l = c->line;
                ll = c->linelen;
            }
            n -= e - p + 1;
            p = e + 1;
            if (l[0] == 'M' && l[1] == 'S') {
                const char *q = l + ll - 2; /* \r */
                while (q > l && q[-1] >= '0' && q[-1] <= '9') q--;
                c->sp_remain = strtoull(q, NULL, 10);
                c->msglen = c->sp_remain;
                c->sp_remain += 2;
                c->headlen = 0;
                c->sp_state = 1;
            } else if (l[0] == 'P' && l[1] == 'I') {
                ws_send(c, 2, "PONG\r\n", 6);
                flush_out(c);
            } else if (l[0] == 'P' && l[1] == 'O') ready(c);
            else if (l[0] == '-') {
                fprintf(stderr, "nats: %.*s", (int)ll, l);
                failed++;
            }
            c->linelen = 0;
        } else {
            size_t k = c->sp_remain < n ? c->sp_remain : n;
            if (c->headlen == 0 && k == c->sp_remain)
                on_msg(c, p, c->msglen < HEAD ? c->msglen : HEAD, c->msglen);
            else {
                size_t h = HEAD - c->headlen;
                if (h > k) h = k;
                memcpy(c->head + c->headlen, p, h);
                c->headlen += h;
                if (k == c->sp_remain) on_msg(c, c->head, c->headlen, c->msglen);
            }
            c->sp_remain -= k;
            p += k;
            n -= k;
            if (!c->sp_remain) c->sp_state = 0;
        }
    }
}
static size_t nats_wrap(conn *c, char *d, const char *env, size_t n)
{
    char t[32];
    topic_name(c, t);
    size_t k = sprintf(d, "PUB %s %zu\r\n", t, n);
    memcpy(d + k, env, n);
    memcpy(d + k + n, "\r\n", 2);
    return k + n + 2;
}

static const proto_t protos[] = {
    {"raw", raw_open, raw_chunk, NULL, 0},
    {"nats", nats_open, nats_chunk, nats_wrap, 1},
};

/* ---------------------------------------------------------------- WebSocket client */
/* --tokens FILE: lines "NAME TOKEN"; {token} in a template is the connection's own, looked up by its name. */
static struct {
    char *name, *token;
} *tokens;
static size_t ntokens;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_tokens(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) die("cannot read %s", path);
    char *line = NULL;
    size_t cap = 0, room = 0;
    while (getline(&line, &cap, f) > 0) {
        char *name = strtok(line, " \t\n"), *token = strtok(NULL, " \t\n");
        if (!name || !token) continue;
        if (ntokens == room) tokens = realloc(tokens, (room = room ? room * 2 : 64) * sizeof *tokens);
        tokens[ntokens].name = strdup(name);
        tokens[ntokens++].token = strdup(token);
    }
    free(line);
    fclose(f);
    qsort(tokens, ntokens, sizeof *tokens, by_name);
}

static const char *token_of(const char *name)
{
    size_t lo = 0, hi = ntokens;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strcmp(tokens[mid].name, name);
        if (!order) return tokens[mid].token;
        if (order < 0) lo = mid + 1;
        else hi = mid;
    }
    die("no token for %s", name);
    return "";
}

static void expand(char *d, size_t cap, const char *tpl, conn *c)
{
    size_t n = 0;
    for (; *tpl && n + 64 < cap; tpl++) {
        if (!strncmp(tpl, "{topic}", 7)) {
            n += sprintf(d + n, "bench%d", c->topic);
            tpl += 6;
        } else if (!strncmp(tpl, "{name}", 6)) {
            n += sprintf(d + n, "%s", c->name);
            tpl += 5;
        } else if (!strncmp(tpl, "{i}", 3)) {
            n += sprintf(d + n, "%d", c->idx);
            tpl += 2;
        } else if (!strncmp(tpl, "{token}", 7)) {
            const char *token = token_of(c->name);
            if (n + strlen(token) + 64 >= cap) die("token too long");
            n += sprintf(d + n, "%s", token);
            tpl += 6;
        } else d[n++] = *tpl;
    }
    d[n] = 0;
}

/* Over several nodes: receivers in turn, and the two of a pair on different ones. */
static int port_of(const conn *c)
{
    return o.ports[(c->idx + (c->role == PING_B)) % o.nports];
}

static void send_upgrade(conn *c)
{
    char path[512], h[6144], b[16384];
    expand(path, sizeof path, o.path, c);
    int n = snprintf(b, sizeof b,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        path, o.addr, port_of(c));
    if (o.subproto) n += snprintf(b + n, sizeof b - n, "Sec-WebSocket-Protocol: %s\r\n", o.subproto);
    if (o.deflate)
        n += snprintf(
            b + n, sizeof b - n, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    for (int i = 0; i < o.nhdr; i++) {
        expand(h, sizeof h, o.hdr[i], c);
        n += snprintf(b + n, sizeof b - n, "%s\r\n", h);
    }
    n += snprintf(b + n, sizeof b - n, "\r\n");
    memcpy(out_reserve(c, n), b, n);
    c->outlen += n;
    c->state = HTTP;
    flush_out(c);
}

static conn *conn_new(int role, int idx, int topic)
{
    conn *c = calloc(1, sizeof *c);
    c->role = role;
    c->idx = idx;
    c->topic = topic;
    c->fd = -1;
    expand(c->name, sizeof c->name + 63,
        role == PUB || role == PING_A || role == NEIGHBOUR_A ? o.pubname : o.subname, c);
    return c;
}
static void conn_start(conn *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->role == STALLED) { /* a small window, so that the server notices soon */
        int small = 16384;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    c->state = CONNECTING;
    c->t0 = now_ns();
    dst.sin_port = htons(port_of(c));
    if (connect(c->fd, (void *)&dst, sizeof dst) < 0 && errno != EINPROGRESS) {
        failed++;
        conn_close(c, 0);
        return;
    }
    struct epoll_event ev = {EPOLLIN | EPOLLOUT, {.ptr = c}};
    c->want_out = 1;
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static char rbuf[1 << 20];
static void ws_bytes(conn *c, const char *p, size_t n)
{
    while (n) {
        if (!c->in_payload) {
            /* header */
            uint8_t h[10];
            const uint8_t *q;
            int have;
            if (c->hlen) {
                int k = 10 - c->hlen;
                if (k > (int)n) k = n;
                memcpy(h, c->hdr, c->hlen);
                memcpy(h + c->hlen, p, k);
                q = h;
                have = c->hlen + k;
            } else {
                q = (const uint8_t *)p;
                have = n < 10 ? n : 10;
            }
            int need = 2;
            if (have >= 2) need = (q[1] & 127) == 126 ? 4 : (q[1] & 127) == 127 ? 10 : 2;
            if (have < need) {
                int k = n;
                memcpy(c->hdr + c->hlen, p, k);
                c->hlen += k;
                return;
            }
            if (q[1] & 128) die("server sent a masked frame");
            c->fin = q[0] >> 7;
            c->opcode = q[0] & 15;
            uint64_t len = q[1] & 127;
            if (len == 126) len = q[2] << 8 | q[3];
            else if (len == 127) {
                len = 0;
                for (int i = 2; i < 10; i++) len = len << 8 | q[i];
            }
            int used = need - c->hlen;
            c->hlen = 0;
            p += used;
            n -= used;
            c->remain = len;
            c->in_payload = 1;
            c->frame_op = 1; /* first chunk of this frame */
            if (len == 0) {
                c->in_payload = 0;
                if (c->opcode == 9) {
                    ws_send(c, 10, "", 0);
                    flush_out(c);
                }
                continue;
            }
            if (!n) return;
        }
        size_t k = c->remain < n ? c->remain : n;
        int endf = k == c->remain;
        if (c->opcode <= 2) P->on_chunk(c, c->frame_op && c->opcode != 0, endf && c->fin, p, k);
        else if (c->opcode == 8) {
            if (c->role == STALLED) {
                stalled_closed++;
                stalled_code = k >= 2 ? (uint8_t)p[0] << 8 | (uint8_t)p[1] : 1005;
                conn_close(c, 0);
                return;
            }
            if (k >= 2)
                fprintf(stderr, "wsload: %s closed by server: %d %.*s\n", c->name,
                    (uint8_t)p[0] << 8 | (uint8_t)p[1], (int)k - 2, p + 2);
            failed++;
            conn_close(c, 0);
            return;
        } else if (c->opcode == 9 && endf) {
            ws_send(c, 10, p, k);
            flush_out(c);
        }
        if (c->state == CLOSED) return;
        c->frame_op = 0;
        c->remain -= k;
        p += k;
        n -= k;
        if (!c->remain) c->in_payload = 0;
    }
}

static void on_readable(conn *c)
{
    ssize_t r = recv(c->fd, rbuf, sizeof rbuf, 0);
    total_reads++;
    if (r < 0 && errno == EAGAIN) return;
    if (r <= 0 && c->role == STALLED && c->state == READY) {
        stalled_closed++;
        conn_close(c, 0);
        return;
    }
    if (r <= 0) {
        failed++;
        if (failed < 4)
            fprintf(stderr, "wsload: %s: connection lost in state %d: %s\n", c->name, c->state,
                r ? strerror(errno) : "EOF");
        conn_close(c, 0);
        return;
    }
    const char *p = rbuf;
    size_t n = r;
    if (c->state == HTTP) {
        size_t old = c->linelen;
        line_add(c, p, n);
        char *e = memmem(c->line, c->linelen, "\r\n\r\n", 4);
        if (!e) return;
        if (!memmem(c->line, 16, " 101", 4)) {
            if (failed++ < 3) fprintf(stderr, "wsload: upgrade refused: %.*s\n", 80, c->line);
            conn_close(c, 0);
            return;
        }
        size_t used = (e + 4 - c->line) - old;
        p += used;
        n -= used;
        c->linelen = 0;
        free(c->line);
        c->line = NULL;
        c->linecap = 0;
        c->state = HELLO;
        P->on_open(c);
    }
    if (n) ws_bytes(c, p, n);
}

/* Between any two events, so that this process's own work delays the neighbours by a few µs at most. */
static void neighbour_tick(void)
{
    uint64_t t = now_ns();
    if (t >= neighbour_due) {
        neighbour_t[neighbour_seq % RING] = t;
        publish(neighbour_a, 'n', neighbour_seq++, neighbour_env, neighbour_len, env_idoff);
        flush_out(neighbour_a);
        neighbour_due = t + (uint64_t)(1e9 / o.neighbour);
    }
    if (t - neighbour_polled > 10000 && neighbour_b->state == READY) {
        neighbour_polled = t;
        on_readable(neighbour_b);
    }
}

static struct epoll_event evs[1024];
static int poll_once(int timeout_ms)
{
    int n = epoll_wait(ep, evs, 1024, neighbour_env ? 0 : timeout_ms);
    if (neighbour_env) neighbour_tick();
    for (int i = 0; i < n; i++) {
        conn *c = evs[i].data.ptr;
        if (neighbour_env) neighbour_tick();
        if (c->state == CLOSED) continue;
        if (evs[i].events & EPOLLOUT) {
            if (c->state == CONNECTING) {
                int err = 0;
                socklen_t l = sizeof err;
                getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
                if (err) {
                    if (failed++ < 3) fprintf(stderr, "wsload: connect: %s\n", strerror(err));
                    conn_close(c, 0);
                    continue;
                }
                send_upgrade(c);
            } else flush_out(c);
        }
        if (c->state == CLOSED) continue;
        if (evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->state != CONNECTING) on_readable(c);
    }
    return n;
}

/* ---------------------------------------------------------------- server process accounting */
typedef struct {
    double cpu_s, utime, stime;
    long rss_kb;
} srv_t;
static srv_t srv_sample(void)
{
    srv_t s = {0};
    char path[300], b[1024];
    for (int i = 0; i < o.npids; i++) {
        snprintf(path, sizeof path, "/proc/%d/stat", o.pids[i]);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        size_t k = fread(b, 1, sizeof b - 1, f);
        b[k] = 0;
        fclose(f);
        char *p = strrchr(b, ')');
        unsigned long ut = 0, st = 0;
        if (p) sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ut, &st);
        s.utime += ut / (double)sysconf(_SC_CLK_TCK);
        s.stime += st / (double)sysconf(_SC_CLK_TCK);
        snprintf(path, sizeof path, "/proc/%d/task", o.pids[i]);
        DIR *d = opendir(path);
        if (d) {
            struct dirent *e;
            while ((e = readdir(d))) {
                if (e->d_name[0] == '.') continue;
                char q[600];
                snprintf(q, sizeof q, "%s/%s/schedstat", path, e->d_name);
                FILE *g = fopen(q, "r");
                unsigned long long ns;
                if (g) {
                    if (fscanf(g, "%llu", &ns) == 1) s.cpu_s += ns / 1e9;
                    fclose(g);
                }
            }
            closedir(d);
        }
        snprintf(path, sizeof path, "/proc/%d/status", o.pids[i]);
        f = fopen(path, "r");
        while (f && fgets(b, sizeof b, f)) {
            long kb;
            if (sscanf(b, "VmRSS: %ld", &kb) == 1) s.rss_kb += kb;
        }
        if (f) fclose(f);
    }
    if (s.cpu_s == 0) s.cpu_s = s.utime + s.stime;
    return s;
}
static double own_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---------------------------------------------------------------- modes */
static void add(conn *c)
{
    all = realloc(all, sizeof *all * (nall + 1));
    all[nall++] = c;
}

static void open_all(conn **v, int n, double limit_s)
{
    uint64_t base = hello_done, end = now_ns() + (uint64_t)(limit_s * 1e9);
    int started = 0;
    while (hello_done - base < (uint64_t)n) {
        while (started < n && started - (int)(hello_done - base) < o.concurrency) conn_start(v[started++]);
        poll_once(50);
        if (failed > 0)
            die("%" PRIu64 " connections failed while opening (%" PRIu64 " of %d ready)", failed,
                hello_done - base, n);
        if (now_ns() > end) die("timeout: only %" PRIu64 " of %d connections ready", hello_done - base, n);
    }
}

static void make_envs(int n, int to_subs)
{
    size_t cap = o.size + 4096;
    pub_env = calloc(n, sizeof *pub_env);
    pub_envlen = calloc(n, sizeof *pub_envlen);
    wrapbuf = malloc(cap + 256);
    for (int i = 0; i < n; i++) {
        pub_env[i] = malloc(cap);
        conn *c = pubs[i];
        char to[48] = "";
        if (to_subs) snprintf(to, sizeof to, "%s", subs[i]->name);
        else if (o.to) snprintf(to, sizeof to, "%s", o.to);
        pub_envlen[i] =
            build_env(pub_env[i], cap, "wsb-q-0000000000000000", c->name, *to ? to : NULL, o.size);
        env_idoff = (char *)memmem(pub_env[i], pub_envlen[i], "wsb-", 4) - pub_env[i];
    }
    env_len = pub_envlen[0];
}

static void header_json(void)
{
    printf("{\"label\":\"%s\",\"mode\":\"%s\",\"proto\":\"%s\"", o.label, o.mode, o.proto);
}
static void lat_json(void)
{
    printf(",\"n\":%" PRIu64
           ",\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
        hist_n, hist_pct(.5) / 1e3, hist_pct(.9) / 1e3, hist_pct(.99) / 1e3, hist_pct(.999) / 1e3,
        hist_max / 1e3);
}
static void cpu_json(srv_t a, srv_t b, double wall, double mycpu, uint64_t per)
{
    double cpu = b.cpu_s - a.cpu_s;
    double us = b.utime - a.utime, ss = b.stime - a.stime;
    printf(
        ",\"srv_cpu_util\":%.3f,\"srv_sys_share\":%.2f,\"cli_cpu_util\":%.3f,\"srv_cpu_us_per\":%.4f,\"rss_kb\":%ld",
        cpu / wall, us + ss > 0 ? ss / (us + ss) : 0, mycpu / wall, per ? cpu * 1e6 / per : 0, b.rss_kb);
}

/* Until nothing has come for `settle`: a gateway tells everybody who joined. */
static void settle_down(void)
{
    uint64_t quiet = now_ns(), last = quiet, limit = quiet + 20000000000ull;
    while (now_ns() - quiet < (uint64_t)(o.settle * 1e9) && now_ns() < limit) {
        poll_once(10);
        if (total_reads != last) {
            last = total_reads;
            quiet = now_ns();
        }
    }
}

static void setup_pubsub(void)
{
    pubs = calloc(o.pubs, sizeof *pubs);
    subs = calloc(o.subs, sizeof *subs);
    stalled = calloc(o.stalled + 1, sizeof *stalled);
    for (int i = 0; i < o.subs; i++) add(subs[i] = conn_new(SUB, i, 0));
    for (int i = 0; i < o.pubs; i++) add(pubs[i] = conn_new(PUB, i, 0));
    for (int i = 0; i < o.stalled; i++) add(stalled[i] = conn_new(STALLED, o.subs + i, 0));
    open_all(subs, o.subs, 60);
    open_all(stalled, o.stalled, 30);
    open_all(pubs, o.pubs, 30);
    if (o.neighbour > 0) {
        add(neighbour_a = conn_new(NEIGHBOUR_A, o.pubs, 1));
        add(neighbour_b = conn_new(NEIGHBOUR_B, o.subs + o.stalled, 1));
        open_all(&neighbour_a, 1, 30);
        open_all(&neighbour_b, 1, 30);
    }
    nsub_ready = o.subs;
    make_envs(o.pubs, 0);
    settle_down(); /* before the neighbours talk, and before anybody stalls */
    for (int i = 0; i < o.stalled; i++) epoll_ctl(ep, EPOLL_CTL_DEL, stalled[i]->fd, NULL);
    if (o.neighbour > 0) {
        char *env = malloc(o.size + 4096);
        neighbour_len =
            build_env(env, o.size + 4096, "wsb-q-0000000000000000", neighbour_a->name, NULL, o.size);
        neighbour_env = env;
    }
}

/* Read what waits for those that stalled: has the server closed them, and with which code? */
static void read_stalled(void)
{
    uint64_t end = now_ns() + 2000000000ull;
    for (int i = 0; i < o.stalled; i++)
        while (stalled[i]->state == READY && now_ns() < end) on_readable(stalled[i]);
}

static void run_fanout(void)
{
    setup_pubsub();
    uint64_t t_start = now_ns(), t_meas = t_start + (uint64_t)(o.warmup * 1e9),
             t_end = t_meas + (uint64_t)(o.duration * 1e9);
    uint64_t d0 = 0, b0 = 0, p0 = 0, r0 = 0, tm = 0, last_progress = t_start, last_deliv = 0;
    srv_t s0 = {0};
    double c0 = 0;
    for (;;) {
        uint64_t t = now_ns();
        if (!measuring && t >= t_meas) {
            measuring = 1;
            tm = t;
            d0 = total_deliv;
            b0 = total_bytes;
            p0 = pub_seq;
            r0 = total_reads;
            s0 = srv_sample();
            c0 = own_cpu();
        }
        if (t >= t_end) break;
        if (total_deliv != last_deliv) {
            last_deliv = total_deliv;
            last_progress = t;
        } else if (t - last_progress > 5000000000ull)
            die("stalled: published %" PRIu64 ", complete %" PRIu64 ", deliveries %" PRIu64, pub_seq,
                done_seq, total_deliv);
        while (pub_seq - done_seq < (uint64_t)o.window) {
            int i = pub_seq % o.pubs;
            publish(pubs[i], 'q', pub_seq, pub_env[i], pub_envlen[i], env_idoff);
            pub_seq++;
        }
        for (int i = 0; i < o.pubs; i++)
            if (pubs[i]->outlen && !pubs[i]->want_out) flush_out(pubs[i]);
        poll_once(100);
        if (failed) die("connection failed during run");
    }
    uint64_t t1 = now_ns();
    srv_t s1 = srv_sample();
    double wall = (t1 - tm) / 1e9;
    uint64_t d = total_deliv - d0;
    header_json();
    printf(
        ",\"subs\":%d,\"pubs\":%d,\"size\":%zu,\"window\":%d,\"deliv_per_s\":%.0f,\"msgs_per_s\":%.0f,\"mb_per_s\":%.1f,\"reads_per_deliv\":%.3f,\"gaps\":%" PRIu64
        ",\"disorder\":%" PRIu64 ",\"noise\":%" PRIu64,
        o.subs, o.pubs, env_len, o.window, d / wall, (pub_seq - p0) / wall, (total_bytes - b0) / wall / 1e6,
        d ? (double)(total_reads - r0) / d : 0, gaps, disorder, noise);
    if (o.neighbour > 0) lat_json();
    cpu_json(s0, s1, wall, own_cpu() - c0, d);
    printf("}\n");
}

static void run_latency(void)
{
    setup_pubsub();
    uint64_t step = (uint64_t)(1e9 / o.rate), t_start = now_ns() + 1000000, next = t_start;
    uint64_t t_meas = t_start + (uint64_t)(o.warmup * 1e9), t_end = t_meas + (uint64_t)(o.duration * 1e9);
    uint64_t d0 = 0, tm = 0, maxlag = 0, sampled = 0;
    long rss0 = srv_sample().rss_kb, peak = 0;
    srv_t s0 = {0};
    double c0 = 0;
    for (;;) {
        uint64_t t = now_ns();
        if (o.memory && t - sampled > 100000000) {
            long rss = srv_sample().rss_kb;
            if (rss > peak) peak = rss;
            sampled = t;
        }
        if (!measuring && t >= t_meas) {
            measuring = 2;
            tm = t;
            d0 = total_deliv;
            s0 = srv_sample();
            c0 = own_cpu();
        }
        if (t >= t_end) break;
        while (t >= next) { /* open loop: latency counts from the intended time */
            if (measuring && t - next > maxlag) maxlag = t - next;
            ring_t[pub_seq % RING] = next;
            int i = pub_seq % o.pubs;
            publish(pubs[i], 'q', pub_seq, pub_env[i], pub_envlen[i], env_idoff);
            flush_out(pubs[i]);
            pub_seq++;
            next += step;
        }
        poll_once(0);
        if (failed) die("connection failed during run");
    }
    uint64_t t1 = now_ns();
    srv_t s1 = srv_sample();
    double wall = (t1 - tm) / 1e9;
    uint64_t d = total_deliv - d0;
    header_json();
    printf(",\"subs\":%d,\"size\":%zu,\"rate\":%.0f,\"deliv_per_s\":%.0f,\"gaps\":%" PRIu64
           ",\"disorder\":%" PRIu64 ",\"pub_lag_max_us\":%.0f",
        o.subs, env_len, o.rate, d / wall, gaps, disorder, maxlag / 1e3);
    if (o.memory) printf(",\"rss_peak_growth_kb\":%ld", peak - rss0);
    if (o.stalled) {
        read_stalled();
        printf(",\"stalled\":%d,\"stalled_closed\":%d,\"stalled_code\":%d", o.stalled, stalled_closed,
            stalled_code);
    }
    lat_json();
    cpu_json(s0, s1, wall, own_cpu() - c0, d);
    printf("}\n");
}

static char **pp_env[2];
static size_t *pp_len[2];
static void pp_send(conn *c, char tag, uint64_t seq)
{
    int w = tag == 'r';
    publish(c, tag, seq, pp_env[w][c->idx], pp_len[w][c->idx], env_idoff);
    flush_out(c);
}
static void run_pingpong(void)
{
    int n = o.pairs;
    size_t cap = o.size + 4096;
    conn **a = calloc(n, sizeof *a), **b = calloc(n, sizeof *b);
    for (int w = 0; w < 2; w++) {
        pp_env[w] = calloc(n, sizeof(char *));
        pp_len[w] = calloc(n, sizeof(size_t));
    }
    wrapbuf = malloc(cap + 256);
    for (int i = 0; i < n; i++) {
        add(a[i] = conn_new(PING_A, i, o.topics > 1 ? i % o.topics : i));
        add(b[i] = conn_new(PING_B, i, o.topics > 1 ? i % o.topics : i));
        for (int w = 0; w < 2; w++) {
            pp_env[w][i] = malloc(cap);
            conn *s = w ? b[i] : a[i], *d = w ? a[i] : b[i];
            pp_len[w][i] = build_env(pp_env[w][i], cap, "wsb-q-0000000000000000", s->name, d->name, o.size);
        }
    }
    env_idoff = (char *)memmem(pp_env[0][0], pp_len[0][0], "wsb-", 4) - pp_env[0][0];
    open_all(b, n, 60);
    open_all(a, n, 60);
    settle_down();
    uint64_t t_meas = now_ns() + (uint64_t)(o.warmup * 1e9), t_end = t_meas + (uint64_t)(o.duration * 1e9),
             tm = 0, d0 = 0;
    srv_t s0 = {0};
    double c0 = 0;
    for (int i = 0; i < n; i++) {
        pp_t[i] = now_ns();
        pp_send(a[i], 'q', 0);
    }
    for (;;) {
        uint64_t t = now_ns();
        if (!measuring && t >= t_meas) {
            measuring = 2;
            tm = t;
            d0 = total_deliv;
            s0 = srv_sample();
            c0 = own_cpu();
        }
        if (t >= t_end) break;
        poll_once(o.spin ? 0 : 100);
        if (failed) die("connection failed during run");
    }
    uint64_t t1 = now_ns();
    srv_t s1 = srv_sample();
    double wall = (t1 - tm) / 1e9;
    header_json();
    printf(",\"pairs\":%d,\"size\":%zu,\"rtt_per_s\":%.0f,\"deliv_per_s\":%.0f", n, pp_len[0][0], rtts / wall,
        (total_deliv - d0) / wall);
    lat_json();
    cpu_json(s0, s1, wall, own_cpu() - c0, rtts);
    printf("}\n");
}

static void run_storm(void)
{
    /* open, wait until ready, close at once; `concurrency` in flight, until `conns` are done */
    int n = o.conns, started = 0;
    conn **slot = calloc(o.concurrency, sizeof *slot);
    srv_t s0 = srv_sample();
    double c0 = own_cpu();
    uint64_t t0 = now_ns(), end = t0 + 60000000000ull, done = 0;
    while (done < (uint64_t)n && now_ns() < end) {
        for (int i = 0; i < o.concurrency; i++) {
            if (slot[i] && slot[i]->state == READY) {
                hist_add(now_ns() - slot[i]->t0);
                done++;
                conn_close(slot[i], 1);
            }
            if ((!slot[i] || slot[i]->state == CLOSED) && started < n) {
                /* conns are leaked on purpose: stale epoll events may still name them */
                slot[i] = conn_new(PLAIN, started, started % o.topics);
                started++;
                conn_start(slot[i]);
            }
        }
        poll_once(100);
        if (failed > 100) die("too many failures");
    }
    double wall = (now_ns() - t0) / 1e9;
    srv_t s1 = srv_sample();
    header_json();
    printf(",\"conns\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"conn_per_s\":%.0f", done, failed, done / wall);
    lat_json();
    cpu_json(s0, s1, wall, own_cpu() - c0, done);
    printf("}\n");
}

static void run_idle(void)
{
    srv_t s0 = srv_sample();
    double c0 = own_cpu();
    conn **v = calloc(o.conns, sizeof *v);
    for (int i = 0; i < o.conns; i++) add(v[i] = conn_new(PLAIN, i, i % o.topics));
    uint64_t t0 = now_ns();
    open_all(v, o.conns, 120);
    double wall = (now_ns() - t0) / 1e9;
    srv_t s1 = srv_sample();
    uint64_t end = now_ns() + (uint64_t)(o.settle * 1e9);
    while (now_ns() < end) poll_once(10);
    srv_t s2 = srv_sample();
    uint64_t e2 = now_ns() + (uint64_t)(o.duration * 1e9), t2 = now_ns();
    while (now_ns() < e2) poll_once(50);
    srv_t s3 = srv_sample();
    header_json();
    printf(
        ",\"conns\":%d,\"topics\":%d,\"conn_per_s\":%.0f,\"rss_before_kb\":%ld,\"rss_after_kb\":%ld,\"kb_per_conn\":%.2f,\"idle_cpu_util\":%.4f,\"noise\":%" PRIu64,
        o.conns, o.topics, o.conns / wall, s0.rss_kb, s2.rss_kb, (double)(s2.rss_kb - s0.rss_kb) / o.conns,
        (s3.cpu_s - s2.cpu_s) / ((now_ns() - t2) / 1e9), noise);
    cpu_json(s0, s1, wall, own_cpu() - c0, o.conns);
    printf("}\n");
}

static void run_joins(void)
{
    uint64_t n = o.conns;
    uint64_t tellings = n * (n + 1) / 2; /* each one is told of itself and of those that come after it */
    conn **v = calloc(n, sizeof *v);
    for (uint64_t i = 0; i < n; i++) add(v[i] = conn_new(PLAIN, i, 0));
    srv_t s0 = srv_sample();
    double c0 = own_cpu();
    uint64_t t0 = now_ns();
    open_all(v, n, 60);
    double ready_s = (now_ns() - t0) / 1e9;
    while (noise < tellings) {
        poll_once(50);
        if (failed) die("connection failed during run");
        if (now_ns() - t0 > 60000000000ull)
            die("only %" PRIu64 " of %" PRIu64 " presence messages came", noise, tellings);
    }
    double wall = (now_ns() - t0) / 1e9;
    srv_t s1 = srv_sample();
    header_json();
    printf(",\"conns\":%" PRIu64 ",\"ready_s\":%.3f,\"settled_s\":%.3f,\"conn_per_s\":%.0f,\"noise\":%" PRIu64
           ",\"reads\":%" PRIu64,
        n, ready_s, wall, n / wall, noise, total_reads);
    cpu_json(s0, s1, wall, own_cpu() - c0, n);
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct option L[] = {{"addr", 1, 0, 'a'}, {"port", 1, 0, 'p'}, {"path", 1, 0, 'P'},
        {"header", 1, 0, 'H'}, {"subproto", 1, 0, 1}, {"proto", 1, 0, 2}, {"mode", 1, 0, 'm'},
        {"subs", 1, 0, 'n'}, {"pubs", 1, 0, 3}, {"topics", 1, 0, 4}, {"size", 1, 0, 's'},
        {"window", 1, 0, 'w'}, {"rate", 1, 0, 'r'}, {"duration", 1, 0, 'd'}, {"warmup", 1, 0, 5},
        {"settle", 1, 0, 6}, {"pairs", 1, 0, 7}, {"conns", 1, 0, 'c'}, {"concurrency", 1, 0, 'k'},
        {"pid", 1, 0, 8}, {"ready", 1, 0, 9}, {"neighbour", 1, 0, 10}, {"deflate", 0, 0, 11},
        {"stalled", 1, 0, 20}, {"memory", 0, 0, 21}, {"kind", 1, 0, 12}, {"to", 1, 0, 13},
        {"payload", 1, 0, 14}, {"pubname", 1, 0, 15}, {"subname", 1, 0, 16}, {"spin", 0, 0, 17},
        {"label", 1, 0, 18}, {"tokens", 1, 0, 19}, {0}};
    int ch;
    while ((ch = getopt_long(argc, argv, "a:p:P:H:m:n:s:w:r:d:c:k:", L, NULL)) != -1) switch (ch) {
        case 'a':
            o.addr = optarg;
            break;
        case 'p':
            o.nports = 0;
            for (char *t = strtok(optarg, ","); t && o.nports < 8; t = strtok(NULL, ","))
                o.ports[o.nports++] = atoi(t);
            break;
        case 'P':
            o.path = optarg;
            break;
        case 'H':
            if (o.nhdr < 8) o.hdr[o.nhdr++] = optarg;
            break;
        case 1:
            o.subproto = optarg;
            break;
        case 2:
            o.proto = optarg;
            break;
        case 'm':
            o.mode = optarg;
            break;
        case 'n':
            o.subs = atoi(optarg);
            break;
        case 3:
            o.pubs = atoi(optarg);
            break;
        case 4:
            o.topics = atoi(optarg);
            break;
        case 's':
            o.size = atoi(optarg);
            break;
        case 'w':
            o.window = atoi(optarg);
            break;
        case 'r':
            o.rate = atof(optarg);
            break;
        case 'd':
            o.duration = atof(optarg);
            break;
        case 5:
            o.warmup = atof(optarg);
            break;
        case 6:
            o.settle = atof(optarg);
            break;
        case 7:
            o.pairs = atoi(optarg);
            break;
        case 'c':
            o.conns = atoi(optarg);
            break;
        case 'k':
            o.concurrency = atoi(optarg);
            break;
        case 8:
            for (char *t = strtok(optarg, ","); t; t = strtok(NULL, ","))
                if (o.npids < 32) o.pids[o.npids++] = atoi(t);
            break;
        case 9:
            o.ready = optarg;
            break;
        case 10:
            o.neighbour = atof(optarg);
            break;
        case 11:
            o.deflate = 1;
            break;
        case 12:
            o.kind = optarg;
            break;
        case 13:
            o.to = optarg;
            break;
        case 14:
            o.payload = optarg;
            break;
        case 15:
            o.pubname = optarg;
            break;
        case 16:
            o.subname = optarg;
            break;
        case 17:
            o.spin = 1;
            break;
        case 18:
            o.label = optarg;
            break;
        case 19:
            read_tokens(optarg);
            break;
        case 20:
            o.stalled = atoi(optarg);
            break;
        case 21:
            o.memory = 1;
            break;
        default:
            die("bad option; the comment on top of the source says what there is");
        }
    if (o.topics < 1) o.topics = 1;
    if (o.window >= (int)RING) die("window too large");
    dst.sin_family = AF_INET;
    inet_pton(AF_INET, o.addr, &dst.sin_addr);
    if ((ntohl(dst.sin_addr.s_addr) >> 24) != 127) die("only loopback addresses are allowed");
    for (unsigned i = 0; i < sizeof protos / sizeof *protos; i++)
        if (!strcmp(protos[i].name, o.proto)) P = &protos[i];
    if (!P) die("unknown proto %s", o.proto);
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (!strcmp(o.mode, "fanout")) run_fanout();
    else if (!strcmp(o.mode, "latency")) run_latency();
    else if (!strcmp(o.mode, "pingpong")) run_pingpong();
    else if (!strcmp(o.mode, "storm")) run_storm();
    else if (!strcmp(o.mode, "idle")) run_idle();
    else if (!strcmp(o.mode, "joins")) run_joins();
    else die("unknown mode %s", o.mode);
    fflush(stdout);
    _exit(0);
}
