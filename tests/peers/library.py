"""The shared object of the `ingescape` package, which holds zyre and czmq."""

import ctypes
import importlib.util
import pathlib
from ctypes import c_void_p


def load_library(functions):
    """Loads it without importing the package.

    `functions` gives the type of the result and those of the arguments of each function that
    will be called.
    """
    package = importlib.util.find_spec("ingescape").submodule_search_locations[0]
    shared_object = next(pathlib.Path(package).glob("_ingescape*.so"))
    library = ctypes.CDLL(str(shared_object))
    for name, (result, *arguments) in functions.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def keep_standard_output_clean(library):
    """czmq logs to standard output, and takes over the signals, unless told otherwise."""
    library.zsys_set_logstream(c_void_p.in_dll(ctypes.CDLL(None), "stderr"))
    library.zsys_handler_set(None)


def text(data):
    return data.decode(errors="replace")
