"""The architecture study: which networks to train within a budget, training them, and the report.

circumstances   what all numbers depend on: the images, and what computes
steps           how long a training step of each network takes
plan            what is to be trained, so that it fits into the time that is given
work            one training: its numbers in result.json, written last
insights        what networks show when they are looked into: gradients, fields of view, memory
chance          how far an accuracy would be another one with other images and seeds
findings        conclusions, computed from the numbers
figures         pictures
report          all of it in one document
"""
