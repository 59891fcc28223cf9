/* Breaks nothing: what the others include. */
