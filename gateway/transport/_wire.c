/*
 * The loops of the transport that Python is slow at: reading a run of whole text frames, making
 * frames, writing to a socket that takes everything, and to one after another. `frames.py`, `writers.py`
 * and `fanout.py` do the same without this file, and tests hold both against each other.
 *
 * Nothing here decides anything. What is not the usual case is left to Python:
 * `take_texts` stops before it, and a `Writer` hands it to what it was given.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "frames.h"

static PyObject *name_outbox, *name_send; /* interned, for as long as the process lives */

PyDoc_STRVAR(take_texts_doc,
"take_texts(data, position, max_size, texts)\n--\n\n"
"Append to `texts` the whole, masked text frames that stand one after another in\n"
"`data` from `position` on, unmasked, and return where the first other thing stands:\n"
"another frame, part of one, one of more than `max_size` bytes, or what is not UTF-8.");

static PyObject *
take_texts(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer view;
    Py_ssize_t position, max_size;
    (void)module;

    if (count != 4 || !PyList_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "take_texts(data, position, max_size, texts: list)");
        return NULL;
    }
    position = PyLong_AsSsize_t(args[1]);
    max_size = PyLong_AsSsize_t(args[2]);
    if (PyErr_Occurred() || PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (position < 0 || position > view.len) {
        PyErr_SetString(PyExc_ValueError, "position lies outside of data");
        goto failed;
    }
    for (;;) {
        const unsigned char *frame = (const unsigned char *)view.buf + position;
        Py_ssize_t head, size;
        PyObject *text;
        int is_text;

        if (!is_text_frame(frame, view.len - position, max_size, &head, &size))
            break;
        text = PyBytes_FromStringAndSize(NULL, size);
        if (text == NULL)
            goto failed;
        is_text = unmask(frame + head, size, frame + head - MASK_BYTES,
                         (unsigned char *)PyBytes_AS_STRING(text))
                  || is_utf8((unsigned char *)PyBytes_AS_STRING(text), size);
        if (!is_text || PyList_Append(args[3], text) < 0) {
            Py_DECREF(text);
            if (PyErr_Occurred())
                goto failed;
            break;
        }
        Py_DECREF(text);
        position += head + size;
    }
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(position);

failed:
    PyBuffer_Release(&view);
    return NULL;
}

PyDoc_STRVAR(frames_of_doc,
"frames_of(texts)\n--\n\n"
"Return the text frames of a list of bytes, one after another.");

static PyObject *
frames_of(PyObject *module, PyObject *texts)
{
    unsigned char head[2 + 8], *out;
    Py_ssize_t size = 0;
    PyObject *frames;
    (void)module;

    if (!PyList_CheckExact(texts)) {
        PyErr_SetString(PyExc_TypeError, "frames_of(texts: list)");
        return NULL;
    }
    for (Py_ssize_t nth = 0; nth < PyList_GET_SIZE(texts); nth++) {
        PyObject *text = PyList_GET_ITEM(texts, nth);

        if (!PyBytes_CheckExact(text)) {
            PyErr_SetString(PyExc_TypeError, "a frame's text is bytes here");
            return NULL;
        }
        size += write_head(head, (uint64_t)PyBytes_GET_SIZE(text)) + PyBytes_GET_SIZE(text);
    }
    frames = PyBytes_FromStringAndSize(NULL, size);
    if (frames == NULL)
        return NULL;
    out = (unsigned char *)PyBytes_AS_STRING(frames);
    for (Py_ssize_t nth = 0; nth < PyList_GET_SIZE(texts); nth++) {
        PyObject *text = PyList_GET_ITEM(texts, nth);

        out += write_head(out, (uint64_t)PyBytes_GET_SIZE(text));
        memcpy(out, PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text));
        out += PyBytes_GET_SIZE(text);
    }
    return frames;
}

PyDoc_STRVAR(writer_doc,
"Writer(fd, otherwise)\n--\n\n"
"A callable that sends bytes over a socket that has nothing else to send, and gives\n"
"`otherwise` what the socket does not take at once, or anything that goes wrong.\n"
"What it is called with besides the bytes does not matter.");

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *otherwise;
    PyObject *instead; /* gets everything while it is there */
    int fd; /* -1: closed; then everything goes to `otherwise` */
} Writer;

static PyObject *
writer_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Writer *writer = (Writer *)self;
    Py_ssize_t size, sent = 0;
    PyObject *to, *rest, *result;

    if (PyVectorcall_NARGS(flags) < 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a Writer takes bytes");
        return NULL;
    }
    if (writer->otherwise == NULL) /* the collector has taken it apart */
        Py_RETURN_NONE;
    if (writer->instead != NULL || writer->fd < 0 || !PyBytes_CheckExact(args[0])) {
        /* Held while it is called: it may put another in its own place. */
        to = Py_NewRef(writer->instead != NULL ? writer->instead : writer->otherwise);
        result = PyObject_CallOneArg(to, args[0]);
        Py_DECREF(to);
        return result;
    }
    size = PyBytes_GET_SIZE(args[0]);
    do {
        sent = send(writer->fd, PyBytes_AS_STRING(args[0]), (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent == size)
        Py_RETURN_NONE;
    if (sent <= 0)
        return PyObject_CallOneArg(writer->otherwise, args[0]);
    rest = PyBytes_FromStringAndSize(PyBytes_AS_STRING(args[0]) + sent, size - sent);
    if (rest == NULL)
        return NULL;
    result = PyObject_CallOneArg(writer->otherwise, rest);
    Py_DECREF(rest);
    return result;
}

static PyObject *
writer_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *otherwise;
    Writer *writer;
    int fd;

    if (names != NULL && PyDict_GET_SIZE(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "Writer takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "iO:Writer", &fd, &otherwise))
        return NULL;
    writer = (Writer *)type->tp_alloc(type, 0);
    if (writer == NULL)
        return NULL;
    writer->call = writer_call;
    writer->fd = fd;
    writer->otherwise = Py_NewRef(otherwise);
    return (PyObject *)writer;
}

PyDoc_STRVAR(writer_divert_doc,
"divert(instead)\n--\n\n"
"Give everything to `instead` from here on; `None`: to the socket again.");

static PyObject *
writer_divert(Writer *writer, PyObject *instead)
{
    Py_XSETREF(writer->instead, instead == Py_None ? NULL : Py_NewRef(instead));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(writer_close_doc,
"close()\n--\n\n"
"Touch the socket no more: its number may soon be another's.");

static PyObject *
writer_close(Writer *writer, PyObject *unused)
{
    (void)unused;
    writer->fd = -1;
    Py_RETURN_NONE;
}

static int
writer_traverse(Writer *writer, visitproc visit, void *arg)
{
    Py_VISIT(writer->otherwise);
    Py_VISIT(writer->instead);
    return 0;
}

static int
writer_clear(Writer *writer)
{
    Py_CLEAR(writer->otherwise);
    Py_CLEAR(writer->instead);
    return 0;
}

static void
writer_dealloc(Writer *writer)
{
    PyObject_GC_UnTrack(writer);
    Py_XDECREF(writer->otherwise);
    Py_XDECREF(writer->instead);
    Py_TYPE(writer)->tp_free((PyObject *)writer);
}

static PyMethodDef writer_methods[] = {
    {"divert", (PyCFunction)writer_divert, METH_O, writer_divert_doc},
    {"close", (PyCFunction)writer_close, METH_NOARGS, writer_close_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject WriterType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "gateway.transport._wire.Writer",
    .tp_doc = writer_doc,
    .tp_basicsize = sizeof(Writer),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Writer, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = writer_new,
    .tp_traverse = (traverseproc)writer_traverse,
    .tp_clear = (inquiry)writer_clear,
    .tp_dealloc = (destructor)writer_dealloc,
    .tp_methods = writer_methods,
};

PyDoc_STRVAR(send_each_doc,
"send_each(members, frames, envelopes)\n--\n\n"
"Call `member.outbox.send(frames, envelopes)` for each of a tuple or list, in its order.\n"
"`fanout.py` does the same without this.");

static PyObject *
send_each(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    PyObject *members, *to[2];
    (void)module;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "send_each(members, frames, envelopes)");
        return NULL;
    }
    members = PySequence_Fast(args[0], "members are a tuple or a list");
    if (members == NULL)
        return NULL;
    to[0] = args[1];
    to[1] = args[2];
    /* A list may change under the calls: its size is asked for each time, and each member is held. */
    for (Py_ssize_t nth = 0; nth < PySequence_Fast_GET_SIZE(members); nth++) {
        PyObject *member = Py_NewRef(PySequence_Fast_GET_ITEM(members, nth));
        PyObject *outbox = PyObject_GetAttr(member, name_outbox), *send = NULL, *sent = NULL;

        if (outbox != NULL)
            send = PyObject_GetAttr(outbox, name_send);
        if (send != NULL)
            sent = PyObject_Vectorcall(send, to, 2, NULL);
        Py_XDECREF(send);
        Py_XDECREF(outbox);
        Py_DECREF(member);
        if (sent == NULL) {
            Py_DECREF(members);
            return NULL;
        }
        Py_DECREF(sent);
    }
    Py_DECREF(members);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send_each", (PyCFunction)(void (*)(void))send_each, METH_FASTCALL, send_each_doc},
    {"take_texts", (PyCFunction)(void (*)(void))take_texts, METH_FASTCALL, take_texts_doc},
    {"frames_of", frames_of, METH_O, frames_of_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gateway.transport._wire",
    .m_doc = "The transport's busiest loops, compiled.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__wire(void)
{
    PyObject *made = PyModule_Create(&module);

    name_outbox = PyUnicode_InternFromString("outbox");
    name_send = PyUnicode_InternFromString("send");
    if (made == NULL || name_outbox == NULL || name_send == NULL || PyModule_AddType(made, &WriterType) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}
