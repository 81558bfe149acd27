"""Every sentence, and each name of a thing, once: terminal, report, figures and notebook read them here."""
