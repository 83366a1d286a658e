"""Conformance kit for plugins, tiny look-alike checkpoints, and real texts. Extra: `cenote[testing]`.

Import the parts by name: `cenote.testing.adapter`, `.poolers`, `.processors`, `.kernels`, `.codecs`, `.scorers` for the
kit, and `.checkpoints`, `.corpus`, `.live`, `.loras`, `.texts`. Nothing is imported here, because pytest must see the
modules that hold assertions before anybody else imports them.
"""
