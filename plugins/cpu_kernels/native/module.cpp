// The object is a Python module only so that wheels are tagged and found; its functions are called through ctypes.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&definition); }
