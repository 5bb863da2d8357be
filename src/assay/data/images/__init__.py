"""Encoded bytes to pixels: decoding, orientation, refusal, and statistics of the pixels."""
