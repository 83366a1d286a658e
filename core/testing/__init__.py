"""Conformance kit for adapters and kernels, tiny look-alike checkpoints, and real text. Extra: `cenote[testing]`.

Import the parts by name: `cenote.testing.adapter`, `.checkpoints`, `.corpus`, `.kernels`, `.live`, `.texts`. Nothing is
imported here, because pytest must see the modules that hold assertions before anybody else imports them.
"""
