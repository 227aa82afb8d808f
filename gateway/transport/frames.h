/*
 * Whole text frames, as clients send them and as servers do (RFC 6455 5.2): for `_wire.c`,
 * and for the gateway's `_flow.c`.
 */

#ifndef MCPX_FRAMES_H
#define MCPX_FRAMES_H

#include <Python.h>

#include <stdint.h>
#include <string.h>

#define TEXT 0x81 /* a whole message of text: FIN, and the opcode (RFC 6455 5.2) */
#define MASKED 0x80
#define SHORT 126
#define LONG 127
#define MASK_BYTES 4
#define WORD 8

/* Write `size` unmasked bytes to `out`; return whether they are all ASCII. */
static int
unmask(const unsigned char *masked, Py_ssize_t size, const unsigned char *key, unsigned char *out)
{
    uint64_t mask, word, seen = 0;
    Py_ssize_t at = 0;

    memcpy(&mask, key, MASK_BYTES);
    memcpy((unsigned char *)&mask + MASK_BYTES, key, MASK_BYTES);
    for (; at + WORD <= size; at += WORD) {
        memcpy(&word, masked + at, WORD);
        word ^= mask;
        memcpy(out + at, &word, WORD);
        seen |= word;
    }
    for (; at < size; at++) {
        out[at] = masked[at] ^ key[at % MASK_BYTES];
        seen |= out[at];
    }
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

/* Whether these bytes are UTF-8; no error is left set, except for a lack of memory. */
static int
is_utf8(const unsigned char *data, Py_ssize_t size)
{
    PyObject *text = PyUnicode_DecodeUTF8((const char *)data, size, NULL);

    if (text != NULL) {
        Py_DECREF(text);
        return 1;
    }
    if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        PyErr_Clear();
    return 0;
}

/*
 * Whether a whole, masked text frame of at most `most` bytes of text stands here, of which so many
 * bytes are `left` to read. Its text is behind `*head` bytes, the last four of them its mask.
 */
static int
is_text_frame(const unsigned char *frame, Py_ssize_t left, Py_ssize_t most, Py_ssize_t *head,
              Py_ssize_t *size)
{
    uint64_t length;

    *head = 2 + MASK_BYTES;
    if (left < *head || frame[0] != TEXT || !(frame[1] & MASKED))
        return 0;
    length = frame[1] & ~MASKED;
    if (length == SHORT) {
        *head += 2;
        if (left < *head)
            return 0;
        length = (uint64_t)frame[2] << 8 | frame[3];
    }
    else if (length == LONG) {
        *head += 8;
        if (left < *head)
            return 0;
        length = 0;
        for (int at = 2; at < 10; at++)
            length = length << 8 | frame[at];
    }
    *size = (Py_ssize_t)length;
    return length <= (uint64_t)most && length <= (uint64_t)(left - *head);
}

/* What stands before `size` bytes of text in a server's frame; return how long it is. */
static int
write_head(unsigned char *out, uint64_t size)
{
    int more = size < SHORT ? 0 : size < 1 << 16 ? 2 : 8;

    out[0] = TEXT;
    out[1] = more == 0 ? (unsigned char)size : more == 2 ? SHORT : LONG;
    for (int at = 0; at < more; at++)
        out[2 + at] = (unsigned char)(size >> 8 * (more - 1 - at));
    return 2 + more;
}

#endif
