"""The learners: one algorithm, one file, under the name the field knows it by.

Where algorithms differ in their update alone the file is that update, a function, and a learner of
`tradebot.rl` is all else; the others are one final class each.
"""
