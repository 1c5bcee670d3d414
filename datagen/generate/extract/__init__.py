"""Question–answer pairs by rules, without a model: one family of questions a file, each answer a verbatim quote."""
