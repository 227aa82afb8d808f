/*
 * A flow: what goes on in a small topic while nothing changes there. `flows.py` says when one is
 * open; this takes what its members send meanwhile, if Python has allowed that sender that kind,
 * and writes it to everybody as `fanout.py` would.
 *
 * Nothing is refused here. A read is taken whole or left to Python whole, and nothing has been
 * counted, charged or changed when it is left.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stddef.h>

#include "../schemas/plain.h"
#include "transport/frames.h"

#define MOST_READ_BYTES (1 << 16) /* of one read: what is longer is no matter of microseconds */
#define MOST_TOGETHER 64          /* envelopes of one read */
#define MOST_KINDS 16             /* remembered for each inlet */
#define MOST_MEMBERS 8
#define MOST_BATCH_BYTES (1 << 18)
#define MOST_OWED_BYTES (1 << 13)
#define MOST_PROMPT 63 /* the last four as `fanout.py` has them */

struct Flow;

typedef struct {
    PyObject *text, *counts; /* a kind as it is written; the list that counts its family */
} Kind;

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *otherwise; /* takes what this does not; NULL: closed */
    int is_between;      /* whether `otherwise` has everything that has begun: a frame begins next */
    int is_closed;
    Py_ssize_t most_bytes;
    struct Flow *flow; /* NULL: nothing is taken here */
    PyObject *sender, *charge, *decide;
    double expires_at;
    Kind kinds[MOST_KINDS];
    int kind_count;
    unsigned int life; /* of these kinds: another when they are forgotten */
} Inlet;

typedef struct Flow {
    PyObject_HEAD
    PyObject *protocol, *now, *monotonic, *delivered, *took;
    Py_ssize_t most_bytes;
    PyObject *inlets[MOST_MEMBERS], *writes[MOST_MEMBERS];
    int members; /* 0: shut */
    PyObject *pending; /* frames; NULL: none */
    Py_ssize_t envelopes, text_bytes; /* of them */
    PyObject *owed; /* frames; NULL: nothing is owed */
    int creditor;
    int spell, prompt;
    char is_overdue, is_small, was_given;
} Flow;

/* What one read holds, as far as it was looked at: of which kinds, and how long. */
typedef struct {
    int count, kinds[MOST_TOGETHER];
    Py_ssize_t sizes[MOST_TOGETHER];
} Read;

/* What is pending and owed */

static int
write_to(Flow *flow, int member, PyObject *frames)
{
    PyObject *write = Py_NewRef(flow->writes[member]), *result = PyObject_CallOneArg(write, frames);

    Py_DECREF(write);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
add_to(PyObject *counts, Py_ssize_t nth, Py_ssize_t more)
{
    long long sum = PyLong_AsLongLong(PyList_GET_ITEM(counts, nth));
    PyObject *made;

    if (sum == -1 && PyErr_Occurred())
        return -1;
    made = PyLong_FromLongLong(sum + more);
    return made == NULL ? -1 : PyList_SetItem(counts, nth, made);
}

/* Begin anew; return what is pending, or NULL with or without an error. */
static PyObject *
take_pending(Flow *flow)
{
    PyObject *frames = flow->pending;
    Py_ssize_t envelopes = flow->envelopes, bytes = flow->text_bytes;

    flow->pending = NULL;
    flow->envelopes = flow->text_bytes = 0;
    if (frames != NULL && (add_to(flow->delivered, 0, envelopes * flow->members) < 0
                           || add_to(flow->delivered, 1, bytes * flow->members) < 0))
        Py_CLEAR(frames);
    return frames;
}

static int
pay(Flow *flow)
{
    PyObject *owed = flow->owed;
    int failed;

    if (owed == NULL)
        return 0;
    flow->owed = NULL;
    failed = write_to(flow, flow->creditor, owed);
    Py_DECREF(owed);
    return failed;
}

static int
flush(Flow *flow)
{
    PyObject *frames;
    int failed = 0;

    if (pay(flow) < 0)
        return -1;
    frames = take_pending(flow);
    if (frames == NULL)
        return PyErr_Occurred() ? -1 : 0;
    for (int member = 0; member < flow->members && !failed; member++)
        failed = write_to(flow, member, frames);
    Py_DECREF(frames);
    return failed;
}

/* As `Fanout.flush_but`; `reader` is the one member who was read. */
static int
flush_but(Flow *flow, int reader)
{
    PyObject *frames, *owed;
    int failed = 0, creditor = flow->creditor;

    if (flow->pending == NULL || flow->text_bytes > MOST_OWED_BYTES)
        return flush(flow);
    if (flow->prompt > 0) {
        flow->prompt--;
        return flush(flow);
    }
    if ((frames = take_pending(flow)) == NULL)
        return -1;
    owed = flow->owed;
    flow->owed = NULL;
    if (owed == NULL || creditor != reader)
        flow->is_overdue = 0;
    for (int member = 0; member < flow->members && !failed; member++) {
        PyObject *wire = Py_NewRef(frames);

        if (owed != NULL && member == creditor) {
            flow->spell = 0;
            Py_SETREF(wire, Py_NewRef(owed));
            PyBytes_Concat(&wire, frames);
            if (wire == NULL) {
                failed = -1;
                break;
            }
        }
        if (member == reader && PyBytes_GET_SIZE(wire) <= MOST_OWED_BYTES) {
            flow->owed = wire;
            flow->creditor = member;
            continue;
        }
        failed = write_to(flow, member, wire);
        Py_DECREF(wire);
    }
    Py_XDECREF(owed);
    Py_DECREF(frames);
    return failed;
}

static int
place_of(const Flow *flow, const PyObject *inlet)
{
    int member = 0;

    while (member < flow->members && flow->inlets[member] != inlet)
        member++;
    return member < flow->members ? member : -1;
}

PyDoc_STRVAR(flow_flush_doc,
"flush()\n--\n\nAs `Fanout.flush`.");

PyDoc_STRVAR(flow_schedule_doc,
"schedule()\n--\n\nAs `Fanout.schedule` of a small topic: at once.");

static PyObject *
flow_flush(Flow *flow, PyObject *unused)
{
    (void)unused;
    if (flush(flow) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(flow_flush_but_doc,
"flush_but(inlet)\n--\n\nAs `Fanout.flush_but`, for who was read through this inlet.");

static PyObject *
flow_flush_but(Flow *flow, PyObject *inlet)
{
    int reader = place_of(flow, inlet);

    if ((reader < 0 ? flush(flow) : flush_but(flow, reader)) < 0)
        return NULL;
    return PyBool_FromLong(flow->owed != NULL);
}

PyDoc_STRVAR(flow_pay_overdue_doc,
"pay_overdue()\n--\n\nAs `Fanout.pay_overdue`.");

static PyObject *
flow_pay_overdue(Flow *flow, PyObject *unused)
{
    (void)unused;
    if (flow->owed == NULL)
        Py_RETURN_FALSE;
    if (!flow->is_overdue) {
        flow->is_overdue = 1;
        Py_RETURN_TRUE;
    }
    if (pay(flow) < 0)
        return NULL;
    flow->spell = 2 * flow->spell + 1 < MOST_PROMPT ? 2 * flow->spell + 1 : MOST_PROMPT;
    flow->prompt = flow->spell;
    Py_RETURN_FALSE;
}

/* What an inlet takes */

static void
forget_kinds(Inlet *inlet)
{
    while (inlet->kind_count > 0) {
        Kind *kind = &inlet->kinds[--inlet->kind_count];

        Py_CLEAR(kind->text);
        Py_CLEAR(kind->counts);
    }
    inlet->life++;
}

enum { UNDECIDED = -1, FAILED = -2 };

/* Ask Python about an envelope of a kind that is not known here; return which it is then. */
static int
ask(Inlet *inlet, const unsigned char *text, Py_ssize_t size, Part kind)
{
    PyObject *envelope, *decide, *counts;
    unsigned int life = inlet->life;
    Kind *known;

    if (inlet->kind_count == MOST_KINDS) {
        forget_kinds(inlet);
        return UNDECIDED;
    }
    if ((envelope = PyBytes_FromStringAndSize((const char *)text, size)) == NULL)
        return FAILED;
    decide = Py_NewRef(inlet->decide);
    counts = PyObject_CallOneArg(decide, envelope);
    Py_DECREF(decide);
    Py_DECREF(envelope);
    if (counts == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return FAILED;
        PyErr_Clear(); /* Python comes to it by its own way, and there it is logged */
        return UNDECIDED;
    }
    if (inlet->life != life || !PyList_CheckExact(counts) || PyList_GET_SIZE(counts) != 2) {
        Py_DECREF(counts);
        return UNDECIDED;
    }
    known = &inlet->kinds[inlet->kind_count];
    known->text = PyBytes_FromStringAndSize((const char *)kind.start, kind.size);
    if (known->text == NULL) {
        Py_DECREF(counts);
        return FAILED;
    }
    known->counts = counts;
    return inlet->kind_count++;
}

/* Which of the inlet's kinds this envelope is of. */
static int
permitted(Inlet *inlet, const Flow *flow, const unsigned char *text, Py_ssize_t size)
{
    const Part protocol = {(Text)PyBytes_AS_STRING(flow->protocol), PyBytes_GET_SIZE(flow->protocol)};
    Header header;
    Part sender, kind;
    uint64_t seen = 0; /* looked at before */

    if (!is_plain(text, text + size, protocol, &header, &seen))
        return UNDECIDED;
    sender = header.parts[FROM];
    if (sender.size != PyBytes_GET_SIZE(inlet->sender)
        || memcmp(sender.start, PyBytes_AS_STRING(inlet->sender), (size_t)sender.size) != 0)
        return UNDECIDED;
    kind = header.parts[KIND];
    for (int nth = 0; nth < inlet->kind_count; nth++) {
        PyObject *known = inlet->kinds[nth].text;

        if (kind.size == PyBytes_GET_SIZE(known)
            && memcmp(kind.start, PyBytes_AS_STRING(known), (size_t)kind.size) == 0)
            return nth;
    }
    return ask(inlet, text, size, kind);
}

/* Whether the sender's token has expired; -1 is an error. */
static int
has_expired(const Inlet *inlet, const Flow *flow)
{
    double expires_at = inlet->expires_at;
    PyObject *read = PyObject_CallNoArgs(flow->now);
    double now = read == NULL ? -1.0 : PyFloat_AsDouble(read);

    Py_XDECREF(read);
    if (now == -1.0 && PyErr_Occurred())
        return -1;
    return now >= expires_at;
}

/* Charge the sender for so many envelopes: 1, or 0 if it may not send so many; -1 is an error. */
static int
charge(const Inlet *inlet, const Flow *flow, Py_ssize_t envelopes)
{
    PyObject *charged = Py_NewRef(inlet->charge), *result = NULL;
    PyObject *arguments[2] = {PyLong_FromSsize_t(envelopes), PyObject_CallNoArgs(flow->monotonic)};
    int is_charged = -1;

    if (arguments[0] != NULL && arguments[1] != NULL)
        result = PyObject_Vectorcall(charged, arguments, 2, NULL);
    if (result != NULL)
        is_charged = result == Py_True;
    Py_XDECREF(arguments[0]);
    Py_XDECREF(arguments[1]);
    Py_XDECREF(result);
    Py_DECREF(charged);
    return is_charged;
}

/* Write a read's frames to `out`, and find out of which kind each text is; as `take`. */
static int
look_at(Inlet *inlet, const Flow *flow, PyObject *data, unsigned char **out, Read *read)
{
    const unsigned char *frame = (const unsigned char *)PyBytes_AS_STRING(data);
    Py_ssize_t left = PyBytes_GET_SIZE(data);
    Py_ssize_t most = inlet->most_bytes < flow->most_bytes ? inlet->most_bytes : flow->most_bytes;
    unsigned int life = inlet->life;

    for (read->count = 0; left > 0; read->count++) {
        Py_ssize_t head, size;

        if (read->count == MOST_TOGETHER || !is_text_frame(frame, left, most, &head, &size))
            return 0;
        *out += write_head(*out, (uint64_t)size);
        if (!unmask(frame + head, size, frame + head - MASK_BYTES, *out) && !is_utf8(*out, size))
            return PyErr_Occurred() ? -1 : 0;
        (*out)[size] = 0;
        read->kinds[read->count] = permitted(inlet, flow, *out, size);
        if (read->kinds[read->count] < 0)
            return read->kinds[read->count] == FAILED ? -1 : 0;
        if (inlet->life != life) /* those of this read were others */
            return 0;
        read->sizes[read->count] = size;
        *out += size;
        frame += head + size;
        left -= head + size;
    }
    return 1;
}

/* Count a read's envelopes; return their bytes, or -1. */
static Py_ssize_t
count_kinds(const Inlet *inlet, const Read *read)
{
    Py_ssize_t bytes = 0;

    for (int nth = 0; nth < read->count; nth++) {
        PyObject *counts = inlet->kinds[read->kinds[nth]].counts;

        if (add_to(counts, 0, 1) < 0 || add_to(counts, 1, read->sizes[nth]) < 0)
            return -1;
        bytes += read->sizes[nth];
    }
    return bytes;
}

/* Have frames leave with what is pending. */
static int
append(Flow *flow, PyObject *frames, Py_ssize_t envelopes, Py_ssize_t text_bytes)
{
    if (flow->pending == NULL)
        flow->pending = Py_NewRef(frames);
    else {
        PyBytes_Concat(&flow->pending, frames);
        if (flow->pending == NULL)
            return -1;
    }
    flow->envelopes += envelopes;
    flow->text_bytes += text_bytes;
    return flow->text_bytes > MOST_BATCH_BYTES ? flush(flow) : 0;
}

/* Take everything that was read, or nothing: 1, or 0; -1 is an error. */
static int
take(Inlet *inlet, Flow *flow, PyObject *data)
{
    Py_ssize_t left = PyBytes_GET_SIZE(data), text_bytes;
    PyObject *frames, *result, *told[] = {(PyObject *)flow, (PyObject *)inlet};
    unsigned int life;
    unsigned char *out;
    int taken, expired;
    Read read;

    if (left == 0 || left > MOST_READ_BYTES)
        return 0;
    /* A server's frame is four bytes shorter, so there is room behind each for a zero byte. */
    if ((frames = PyBytes_FromStringAndSize(NULL, left)) == NULL)
        return -1;
    out = (unsigned char *)PyBytes_AS_STRING(frames);
    taken = look_at(inlet, flow, data, &out, &read);
    if (taken != 1)
        goto done;
    life = inlet->life;
    expired = has_expired(inlet, flow);
    taken = expired < 0 ? -1 : expired || inlet->life != life ? 0 : charge(inlet, flow, read.count);
    if (taken == 1 && inlet->life != life)
        taken = 0;
    if (taken != 1)
        goto done;
    taken = -1;
    if ((text_bytes = count_kinds(inlet, &read)) < 0)
        goto done;
    if (_PyBytes_Resize(&frames, (Py_ssize_t)(out - (unsigned char *)PyBytes_AS_STRING(frames))) < 0)
        return -1;
    if (append(flow, frames, read.count, text_bytes) < 0)
        goto done;
    result = PyObject_Vectorcall(flow->took, told, 2, NULL);
    if (result != NULL) {
        Py_DECREF(result);
        taken = 1;
    }
done:
    Py_XDECREF(frames);
    return taken;
}

PyDoc_STRVAR(inlet_doc,
"Inlet(otherwise, most_bytes, is_between)\n--\n\n"
"A callable for what a connection reads: what it does not take goes to `otherwise`, which returns\n"
"whether it has everything that has begun, so that a frame begins next. Envelopes of more than\n"
"`most_bytes` are not taken.");

static PyObject *
inlet_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Inlet *inlet = (Inlet *)self;
    PyObject *to, *result;

    if (PyVectorcall_NARGS(flags) != 1 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "an Inlet takes the bytes of one read");
        return NULL;
    }
    if (inlet->flow != NULL && inlet->is_between && PyBytes_CheckExact(args[0])) {
        Flow *flow = (Flow *)Py_NewRef(inlet->flow); /* what it leads to may let go of both */
        int taken;

        Py_INCREF(self);
        taken = take(inlet, flow, args[0]);
        Py_DECREF(flow);
        Py_DECREF(self);
        if (taken < 0)
            return NULL;
        if (taken)
            Py_RETURN_NONE;
    }
    if (inlet->otherwise == NULL)
        Py_RETURN_NONE;
    to = Py_NewRef(inlet->otherwise);
    Py_INCREF(self);
    result = PyObject_CallOneArg(to, args[0]);
    inlet->is_between = result == Py_True && !inlet->is_closed;
    Py_DECREF(self);
    Py_DECREF(to);
    if (result == NULL)
        return NULL;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

/* Be no part of a flow any more. */
static void
detach(Inlet *inlet)
{
    Flow *flow = inlet->flow;

    inlet->flow = NULL;
    forget_kinds(inlet);
    Py_CLEAR(inlet->sender);
    Py_CLEAR(inlet->charge);
    Py_CLEAR(inlet->decide);
    Py_XDECREF(flow);
}

PyDoc_STRVAR(inlet_close_doc,
"close()\n--\n\n"
"Take nothing any more; everything goes to `otherwise`, for as long as it is known.");

static PyObject *
inlet_close(Inlet *inlet, PyObject *unused)
{
    (void)unused;
    inlet->is_closed = 1;
    inlet->is_between = 0;
    Py_RETURN_NONE;
}

static PyObject *
inlet_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *otherwise;
    Py_ssize_t most_bytes;
    Inlet *inlet;
    int is_between;

    if (names != NULL && PyDict_GET_SIZE(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "Inlet takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "Onp:Inlet", &otherwise, &most_bytes, &is_between))
        return NULL;
    inlet = (Inlet *)type->tp_alloc(type, 0);
    if (inlet == NULL)
        return NULL;
    inlet->call = inlet_call;
    inlet->otherwise = Py_NewRef(otherwise);
    inlet->most_bytes = most_bytes;
    inlet->is_between = is_between;
    return (PyObject *)inlet;
}

static int
inlet_traverse(Inlet *inlet, visitproc visit, void *arg)
{
    Py_VISIT(inlet->otherwise);
    Py_VISIT(inlet->flow);
    Py_VISIT(inlet->charge);
    Py_VISIT(inlet->decide);
    for (int nth = 0; nth < inlet->kind_count; nth++)
        Py_VISIT(inlet->kinds[nth].counts);
    return 0;
}

static int
inlet_clear(Inlet *inlet)
{
    Py_CLEAR(inlet->otherwise);
    detach(inlet);
    return 0;
}

static void
inlet_dealloc(Inlet *inlet)
{
    PyObject_GC_UnTrack(inlet);
    inlet_clear(inlet);
    Py_TYPE(inlet)->tp_free((PyObject *)inlet);
}

static PyMethodDef inlet_methods[] = {
    {"close", (PyCFunction)inlet_close, METH_NOARGS, inlet_close_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject InletType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "gateway._flow.Inlet",
    .tp_doc = inlet_doc,
    .tp_basicsize = sizeof(Inlet),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Inlet, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = inlet_new,
    .tp_traverse = (traverseproc)inlet_traverse,
    .tp_clear = (inquiry)inlet_clear,
    .tp_dealloc = (destructor)inlet_dealloc,
    .tp_methods = inlet_methods,
};

/* A flow, open or shut */

static void
forget_members(Flow *flow)
{
    while (flow->members > 0) {
        int member = --flow->members;
        Inlet *inlet = (Inlet *)flow->inlets[member];

        if (inlet->flow == flow)
            detach(inlet);
        Py_CLEAR(flow->inlets[member]);
        Py_CLEAR(flow->writes[member]);
    }
}

PyDoc_STRVAR(flow_open_doc,
"open(ways)\n--\n\n"
"Take what comes through these inlets from here on. For each member, in the order in which\n"
"they hear: `(inlet, write, sender, expires_at, charge, decide)`. `write(frames)` writes to it;\n"
"`charge(envelopes, monotonic)` takes as many tokens, and returns whether there were enough;\n"
"`decide(envelope)` returns the list that counts envelopes of that kind, and their bytes, or\n"
"`None` where it may not send them.");

static PyObject *
flow_open(Flow *flow, PyObject *ways)
{
    if (!PyList_CheckExact(ways) || PyList_GET_SIZE(ways) > MOST_MEMBERS || flow->members > 0) {
        PyErr_SetString(PyExc_ValueError, "a shut flow is opened with a list of at most 8 ways");
        return NULL;
    }
    for (Py_ssize_t nth = 0; nth < PyList_GET_SIZE(ways); nth++) {
        PyObject *write, *sender, *charge, *decide;
        double expires_at;
        Inlet *inlet;

        if (!PyArg_ParseTuple(PyList_GET_ITEM(ways, nth), "O!OSdOO:open", &InletType, &inlet, &write, &sender,
                              &expires_at, &charge, &decide))
            goto failed;
        if (inlet->flow != NULL) {
            PyErr_SetString(PyExc_ValueError, "an inlet leads to one flow");
            goto failed;
        }
        inlet->flow = (Flow *)Py_NewRef(flow);
        inlet->sender = Py_NewRef(sender);
        inlet->expires_at = expires_at;
        inlet->charge = Py_NewRef(charge);
        inlet->decide = Py_NewRef(decide);
        flow->inlets[nth] = Py_NewRef(inlet);
        flow->writes[nth] = Py_NewRef(write);
        flow->members++;
    }
    Py_RETURN_NONE;

failed:
    forget_members(flow);
    return NULL;
}

PyDoc_STRVAR(flow_shut_doc,
"shut()\n--\n\n"
"Write what is owed and pending, and take nothing more.");

static PyObject *
flow_shut(Flow *flow, PyObject *unused)
{
    int failed = flush(flow);
    (void)unused;

    forget_members(flow);
    if (failed < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
flow_is_idle(Flow *flow, void *unused)
{
    (void)unused;
    return PyBool_FromLong(flow->pending == NULL && flow->owed == NULL);
}

static PyObject *
flow_is_open(Flow *flow, void *unused)
{
    (void)unused;
    return PyBool_FromLong(flow->members > 0);
}

PyDoc_STRVAR(flow_doc,
"Flow(protocol, most_bytes, now, monotonic, delivered, took)\n--\n\n"
"What goes on in a small topic while nothing changes there; shut at first. To `Rounds` it is\n"
"the fan-out of what it takes. `protocol` is what envelopes name, as bytes, and of more than\n"
"`most_bytes` none is taken; `now` and `monotonic` read the clocks; `delivered` is the list that counts what members are given, and its\n"
"bytes; `took(flow, inlet)` is called after each read that was taken.");

static PyObject *
flow_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *protocol, *now, *monotonic, *delivered, *took;
    Py_ssize_t most_bytes;
    Flow *flow;

    if (names != NULL && PyDict_GET_SIZE(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "Flow takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "SnOOO!O:Flow", &protocol, &most_bytes, &now, &monotonic, &PyList_Type,
                          &delivered, &took))
        return NULL;
    if (PyList_GET_SIZE(delivered) != 2) {
        PyErr_SetString(PyExc_ValueError, "two numbers are counted");
        return NULL;
    }
    flow = (Flow *)type->tp_alloc(type, 0);
    if (flow == NULL)
        return NULL;
    flow->protocol = Py_NewRef(protocol);
    flow->most_bytes = most_bytes;
    flow->now = Py_NewRef(now);
    flow->monotonic = Py_NewRef(monotonic);
    flow->delivered = Py_NewRef(delivered);
    flow->took = Py_NewRef(took);
    flow->is_small = 1;
    return (PyObject *)flow;
}

static int
flow_traverse(Flow *flow, visitproc visit, void *arg)
{
    Py_VISIT(flow->now);
    Py_VISIT(flow->monotonic);
    Py_VISIT(flow->delivered);
    Py_VISIT(flow->took);
    for (int member = 0; member < flow->members; member++) {
        Py_VISIT(flow->inlets[member]);
        Py_VISIT(flow->writes[member]);
    }
    return 0;
}

static int
flow_clear(Flow *flow)
{
    forget_members(flow);
    Py_CLEAR(flow->pending);
    Py_CLEAR(flow->owed);
    return 0;
}

static void
flow_dealloc(Flow *flow)
{
    PyObject_GC_UnTrack(flow);
    flow_clear(flow);
    Py_XDECREF(flow->protocol);
    Py_XDECREF(flow->now);
    Py_XDECREF(flow->monotonic);
    Py_XDECREF(flow->delivered);
    Py_XDECREF(flow->took);
    Py_TYPE(flow)->tp_free((PyObject *)flow);
}

static PyMethodDef flow_methods[] = {
    {"open", (PyCFunction)flow_open, METH_O, flow_open_doc},
    {"shut", (PyCFunction)flow_shut, METH_NOARGS, flow_shut_doc},
    {"schedule", (PyCFunction)flow_flush, METH_NOARGS, flow_schedule_doc},
    {"flush", (PyCFunction)flow_flush, METH_NOARGS, flow_flush_doc},
    {"flush_but", (PyCFunction)flow_flush_but, METH_O, flow_flush_but_doc},
    {"pay_overdue", (PyCFunction)flow_pay_overdue, METH_NOARGS, flow_pay_overdue_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef flow_fields[] = {
    {"is_small", T_BOOL, offsetof(Flow, is_small), READONLY, "As `Fanout.is_small`; it always is."},
    {"was_given", T_BOOL, offsetof(Flow, was_given), 0, "As `Fanout.was_given`."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef flow_properties[] = {
    {"is_idle", (getter)flow_is_idle, NULL, "As `Fanout.is_idle`.", NULL},
    {"is_open", (getter)flow_is_open, NULL, "Whether it takes what its members send.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject FlowType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "gateway._flow.Flow",
    .tp_doc = flow_doc,
    .tp_basicsize = sizeof(Flow),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = flow_new,
    .tp_traverse = (traverseproc)flow_traverse,
    .tp_clear = (inquiry)flow_clear,
    .tp_dealloc = (destructor)flow_dealloc,
    .tp_methods = flow_methods,
    .tp_members = flow_fields,
    .tp_getset = flow_properties,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gateway._flow",
    .m_doc = "What small topics do while nothing changes there.",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__flow(void)
{
    PyObject *made = PyModule_Create(&module);

    if (made == NULL || PyModule_AddType(made, &FlowType) < 0 || PyModule_AddType(made, &InletType) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}
