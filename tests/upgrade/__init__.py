"""Homes of earlier versions, each kept as that version left it: what later ones must go on from."""
