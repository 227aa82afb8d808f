/*
 * A plain envelope, read in one pass: what `envelope.py` does by itself where this is
 * missing, and tests hold both against each other. It decides nothing that is refused:
 * what is not plain, and whatever breaks a rule, is read again in Python.
 *
 * Plain is JSON with each known key at most once, header strings of printable ASCII
 * without a backslash, and a payload that is an object, checked to its end but not kept.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plain.h"

static PyObject *
text_of(Part part)
{
    PyObject *text = PyUnicode_New(part.size, 127);

    if (text != NULL)
        memcpy(PyUnicode_1BYTE_DATA(text), part.start, (size_t)part.size);
    return text;
}

PyDoc_STRVAR(reader_doc,
"Reader(make, kind_of, no_kind, protocol, otherwise)\n--\n\n"
"A callable that reads a plain envelope of this protocol, and returns\n"
"`make(id, sender, kind_of(kind), to, correlation_id, ts, data)`; for any other, and where\n"
"`kind_of` raises `no_kind`, what `otherwise(data)` returns.");

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *make, *kind_of, *no_kind, *protocol, *otherwise;
} Reader;

static PyObject *
names_of(const Header *header)
{
    PyObject *names = PyTuple_New(header->name_count);

    for (int nth = 0; names != NULL && nth < header->name_count; nth++) {
        PyObject *name = text_of(header->names[nth]);

        if (name == NULL)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, nth, name);
    }
    return names;
}

static PyObject *
text_or_none(const Header *header, int which)
{
    return header->present[which] ? text_of(header->parts[which]) : Py_NewRef(Py_None);
}

static PyObject *
reader_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Reader *reader = (Reader *)self;
    PyObject *fields[7], *text, *made = NULL, *kind;
    Header header;
    Part protocol;
    uint64_t seen = 0;
    Text start;
    int nth;

    if (PyVectorcall_NARGS(flags) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a Reader takes the bytes of one envelope");
        return NULL;
    }
    if (!PyBytes_CheckExact(args[0]))
        return PyObject_CallOneArg(reader->otherwise, args[0]);
    start = (Text)PyBytes_AS_STRING(args[0]);
    protocol = (Part){(Text)PyBytes_AS_STRING(reader->protocol), PyBytes_GET_SIZE(reader->protocol)};
    if (!is_plain(start, start + PyBytes_GET_SIZE(args[0]), protocol, &header, &seen))
        return PyObject_CallOneArg(reader->otherwise, args[0]);
    if (seen & HIGH_BITS) {
        PyObject *whole = PyUnicode_DecodeUTF8((const char *)start, PyBytes_GET_SIZE(args[0]), NULL);

        if (whole == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
                return NULL;
            PyErr_Clear();
            return PyObject_CallOneArg(reader->otherwise, args[0]);
        }
        Py_DECREF(whole);
    }
    text = text_of(header.parts[KIND]);
    if (text == NULL)
        return NULL;
    kind = PyObject_CallOneArg(reader->kind_of, text);
    Py_DECREF(text);
    if (kind == NULL) {
        if (!PyErr_ExceptionMatches(reader->no_kind))
            return NULL;
        PyErr_Clear();
        return PyObject_CallOneArg(reader->otherwise, args[0]);
    }
    fields[0] = text_of(header.parts[ID]);
    fields[1] = text_of(header.parts[FROM]);
    fields[2] = kind;
    fields[3] = names_of(&header);
    fields[4] = text_or_none(&header, CORRELATION_ID);
    fields[5] = text_or_none(&header, TS);
    fields[6] = Py_NewRef(args[0]);
    for (nth = 0; nth < 7 && fields[nth] != NULL; nth++)
        ;
    if (nth == 7)
        made = PyObject_Vectorcall(reader->make, fields, 7, NULL);
    for (nth = 0; nth < 7; nth++)
        Py_XDECREF(fields[nth]);
    return made;
}

static PyObject *
reader_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *make, *kind_of, *no_kind, *protocol, *otherwise;
    Reader *reader;

    if (names != NULL && PyDict_GET_SIZE(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "Reader takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOOSO:Reader", &make, &kind_of, &no_kind, &protocol, &otherwise))
        return NULL;
    reader = (Reader *)type->tp_alloc(type, 0);
    if (reader == NULL)
        return NULL;
    reader->call = reader_call;
    reader->make = Py_NewRef(make);
    reader->kind_of = Py_NewRef(kind_of);
    reader->no_kind = Py_NewRef(no_kind);
    reader->protocol = Py_NewRef(protocol);
    reader->otherwise = Py_NewRef(otherwise);
    return (PyObject *)reader;
}

/* There is no `tp_clear`: what a Reader holds never changes, so a cycle through it is parted elsewhere. */
static int
reader_traverse(Reader *reader, visitproc visit, void *arg)
{
    Py_VISIT(reader->make);
    Py_VISIT(reader->kind_of);
    Py_VISIT(reader->no_kind);
    Py_VISIT(reader->otherwise);
    return 0;
}

static void
reader_dealloc(Reader *reader)
{
    PyObject_GC_UnTrack(reader);
    Py_XDECREF(reader->make);
    Py_XDECREF(reader->kind_of);
    Py_XDECREF(reader->no_kind);
    Py_XDECREF(reader->protocol);
    Py_XDECREF(reader->otherwise);
    Py_TYPE(reader)->tp_free((PyObject *)reader);
}

static PyTypeObject ReaderType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "schemas._header.Reader",
    .tp_doc = reader_doc,
    .tp_basicsize = sizeof(Reader),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Reader, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = reader_new,
    .tp_traverse = (traverseproc)reader_traverse,
    .tp_dealloc = (destructor)reader_dealloc,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "schemas._header",
    .m_doc = "A plain envelope, read in one pass.",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__header(void)
{
    PyObject *made = PyModule_Create(&module);

    if (made == NULL || PyModule_AddType(made, &ReaderType) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}
