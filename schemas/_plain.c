/*
 * One look at an envelope's bytes, compiled: what `envelope.py` does by itself where
 * this is missing, and tests hold both against each other. It decides nothing that is
 * refused: what is not plain is read again, carefully, in Python.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

/* Count the quotes in a part of the header; -1 if a character stands there that may not. */
static Py_ssize_t
quotes_in(const unsigned char *part, Py_ssize_t size)
{
    Py_ssize_t quotes = 0;
    int odd = 0;

    for (Py_ssize_t at = 0; at < size; at++) {
        quotes += part[at] == '"';
        odd |= (part[at] == '\\') | (part[at] >= 0x7F); /* DEL, and whatever is no ASCII */
    }
    return odd ? -1 : quotes;
}

static int
is_ascii(const unsigned char *data, Py_ssize_t size)
{
    uint64_t word, seen = 0;
    Py_ssize_t at = 0;

    for (; at + 8 <= size; at += 8) {
        memcpy(&word, data + at, 8);
        seen |= word;
    }
    for (; at < size; at++)
        seen |= data[at];
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

/* Whether these bytes are UTF-8; -1, with an error set, for a lack of memory. */
static int
is_utf8(const unsigned char *data, Py_ssize_t size)
{
    PyObject *text;

    if (is_ascii(data, size))
        return 1;
    text = PyUnicode_DecodeUTF8((const char *)data, size, NULL);
    if (text != NULL) {
        Py_DECREF(text);
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
        return -1;
    PyErr_Clear();
    return 0;
}

PyDoc_STRVAR(stands_plainly_doc,
"stands_plainly(data, payload, quotes)\n--\n\n"
"Whether `payload`, a part of `data`, is an object in UTF-8, and the bytes around it are\n"
"printable ASCII, or space between, without a backslash and with so many quotes.");

static PyObject *
stands_plainly(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data, payload;
    Py_ssize_t quotes, before, start;
    const unsigned char *bytes;
    int is_plain = 0;
    (void)module;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "stands_plainly(data, payload, quotes)");
        return NULL;
    }
    quotes = PyLong_AsSsize_t(args[2]);
    if ((quotes == -1 && PyErr_Occurred()) || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    if (PyObject_GetBuffer(args[1], &payload, PyBUF_SIMPLE) < 0) {
        PyBuffer_Release(&data);
        return NULL;
    }
    bytes = data.buf;
    /* Compared as numbers: pointers into two objects may not be. */
    start = (Py_ssize_t)((uintptr_t)payload.buf - (uintptr_t)data.buf);
    if (payload.len > 0 && start >= 0 && start <= data.len - payload.len && bytes[start] == '{') {
        before = quotes_in(bytes, start);
        if (before >= 0 && before <= quotes
            && quotes_in(bytes + start + payload.len, data.len - start - payload.len) == quotes - before)
            is_plain = is_utf8(bytes + start, payload.len);
    }
    PyBuffer_Release(&payload);
    PyBuffer_Release(&data);
    return is_plain < 0 ? NULL : PyBool_FromLong(is_plain);
}

static PyMethodDef methods[] = {
    {"stands_plainly", (PyCFunction)(void (*)(void))stands_plainly, METH_FASTCALL, stands_plainly_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "schemas._plain",
    .m_doc = "One look at an envelope's bytes, compiled.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__plain(void)
{
    return PyModule_Create(&module);
}
