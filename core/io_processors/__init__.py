"""IO processors: requests in any form, answers in any form, around the tasks of a model."""

from cenote.io_processors.base import IO_PROCESSOR_API, IOProcessor
from cenote.io_processors.context import Encoding, ProcessorContext, RequestContext

__all__ = ["IO_PROCESSOR_API", "Encoding", "IOProcessor", "ProcessorContext", "RequestContext"]
