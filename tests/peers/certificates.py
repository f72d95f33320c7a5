"""Certificates as czmq makes, writes, reads and looks for them.

As a program, it prints one line of JSON for one certificate: `null` where there is none.
"""

import argparse
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_void_p

from library import keep_standard_output_clean, load_library, text

FUNCTIONS = {
    "zcert_new": (c_void_p,),
    "zcert_new_from_txt": (c_void_p, c_char_p, c_char_p),
    "zcert_load": (c_void_p, c_char_p),
    "zcert_save": (c_int, c_void_p, c_char_p),
    "zcert_public_txt": (c_char_p, c_void_p),
    "zcert_secret_txt": (c_char_p, c_void_p),
    # Variadic: a format comes before the last argument.
    "zcert_set_meta": (None, c_void_p, c_char_p, c_char_p, c_char_p),
    "zcert_meta": (c_char_p, c_void_p, c_char_p),
    "zcert_meta_keys": (c_void_p, c_void_p),
    "zcertstore_new": (c_void_p, c_char_p),
    "zcertstore_lookup": (c_void_p, c_void_p, c_char_p),
    "zlist_first": (c_char_p, c_void_p),
    "zlist_next": (c_char_p, c_void_p),
    "zlist_destroy": (None, POINTER(c_void_p)),
    "zsys_set_logstream": (None, c_void_p),
    "zsys_handler_set": (None, c_void_p),
}


def new_certificate(library):
    """A key that zyre can discover: it takes one that begins with a zero byte for no key."""
    while True:
        certificate = library.zcert_new()
        # No other block of five digits is as small.
        if not library.zcert_public_txt(certificate).startswith(b"0"):
            return certificate


def load_certificate(library, path):
    """The certificate pair at `path`, or its public half where there is no other."""
    certificate = library.zcert_load(path.encode())
    if not certificate:
        sys.exit(f"czmq cannot read a certificate from {path}")
    return certificate


def description(library, certificate):
    """What a certificate says, its secret key included."""
    if not certificate:
        return None
    names = c_void_p(library.zcert_meta_keys(certificate))
    metadata = {}
    name = library.zlist_first(names)
    while name is not None:
        metadata[text(name)] = text(library.zcert_meta(certificate, name))
        name = library.zlist_next(names)
    library.zlist_destroy(byref(names))
    return {
        "public": text(library.zcert_public_txt(certificate)),
        "secret": text(library.zcert_secret_txt(certificate)),
        "metadata": metadata,
    }


def save(library, given):
    certificate = new_certificate(library)
    for pair in given.metadata:
        name, _, value = pair.partition("=")
        library.zcert_set_meta(certificate, name.encode(), b"%s", value.encode())
    if library.zcert_save(certificate, given.path.encode()) != 0:
        sys.exit(f"czmq cannot write {given.path}")
    return certificate


def load(library, given):
    return library.zcert_load(given.path.encode())


def find(library, given):
    store = library.zcertstore_new(given.directory.encode())
    return library.zcertstore_lookup(store, given.key.encode())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("save", help="makes a pair and writes both files")
    verb.add_argument("path")
    verb.add_argument("metadata", nargs="*", metavar="NAME=VALUE")
    verb.set_defaults(act=save)
    verb = verbs.add_parser("load", help="reads a pair, or the public half alone")
    verb.add_argument("path")
    verb.set_defaults(act=load)
    verb = verbs.add_parser("find", help="looks for a key in a directory, as zauth does")
    verb.add_argument("directory")
    verb.add_argument("key")
    verb.set_defaults(act=find)
    return parser.parse_args()


def main():
    library = load_library(FUNCTIONS)
    keep_standard_output_clean(library)
    given = parse_arguments()
    print(json.dumps(description(library, given.act(library, given))))


if __name__ == "__main__":
    main()
