// The object is a Python module only so that wheels are tagged and found; its functions are called through ctypes.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "isa.h"

// A number of the sources that this was compiled from.
CENOTE_API unsigned cenote_sources() { return CENOTE_SOURCES; }

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&definition); }
