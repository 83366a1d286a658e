"""Run by test_kit.py: a sound IO processor, and others that are wrong, each in its way."""

from pydantic import BaseModel

from cenote.io_processors import IOProcessor
from cenote.testing.processors import IOProcessorConformance


class Text(BaseModel):
    text: str


class Size(BaseModel):
    size: int


class Base(IOProcessor):
    Request = Text
    Response = Size
    tasks = ("embed",)
    examples = ({"text": "water"}, {"text": "How deep is the well?"})

    def pre_process(self, prompt, context):
        context.state["text"] = prompt.text
        return prompt.text

    def post_process(self, outputs, context):
        return Size(size=len(context.state["text"]))


class Keeping(Base):
    # Keeps the text of a request on itself.
    def pre_process(self, prompt, context):
        self.text = prompt.text
        return prompt.text

    def post_process(self, outputs, context):
        return Size(size=len(self.text))


class Counting(Base):
    # Answers the second request otherwise than the first.
    seen = 0

    def post_process(self, outputs, context):
        Counting.seen += 1
        return Size(size=Counting.seen)


class Crashing(Base):
    # Takes data as it comes, and falls over it.
    Request = None

    def pre_process(self, prompt, context):
        context.state["text"] = prompt["text"]
        return prompt["text"] or "x"

    def post_process(self, outputs, context):
        return Size(size=len(context.state["text"]) // (len(context.state["text"]) - 1000))


class Lenient(Base):
    Request = None

    def parse_data(self, data):
        return Text(text=str(data))


class Diverging(Base):
    # Its async variant does something else.
    async def post_process_async(self, outputs, context):
        return Size(size=-1)


class Faulty(IOProcessorConformance):
    test_its_request_is_in_the_openapi_document = None  # it takes a second to write, and TestSound does


class TestSound(IOProcessorConformance):
    processor = Base
    bad_examples = ({"text": 1},)


class TestKeeping(Faulty):
    processor = Keeping


class TestCounting(Faulty):
    processor = Counting


class TestCrashing(Faulty):
    processor = Crashing


class TestLenient(Faulty):
    processor = Lenient
    bad_examples = ({"no text": 1},)


class TestDiverging(Faulty):
    processor = Diverging
