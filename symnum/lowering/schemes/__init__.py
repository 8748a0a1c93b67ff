"""Schemes: how derivatives in one coordinate are replaced by differences on a grid."""
