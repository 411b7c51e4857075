"""科技所能 and 科技所需: offers, needs, and what matches them."""
