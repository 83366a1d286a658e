"""The parts of `cenote.testing.adapter.AdapterConformance`, one file for each thing that a model may be able to do."""
