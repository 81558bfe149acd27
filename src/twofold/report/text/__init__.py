"""Every sentence, and each name of a thing, once: terminal, page, figures and notebook read them here."""
