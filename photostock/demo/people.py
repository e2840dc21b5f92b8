"""The invented photographers, the busiest first."""

from __future__ import annotations

PHOTOGRAPHERS: tuple[str, ...] = (
    "Mara Lindqvist", "Tomás Arriaga", "Yuki Hanada", "Odile Farrand", "Kwame Asanti", "Ines Belmonte",
    "Pavel Hruska", "Amina Darwesh", "Callum Reith", "Noor Vellani", "Greta Osterhaus", "Luca Marchetto",
    "Sunniva Hegge", "Ravi Thangam", "Elif Karasoy", "Jonas Wieland", "Chloe Tremblet", "Mateus Carvalhal",
    "Hana Novotna", "Ibrahim Sesay", "Anneke Vroom", "Diego Quispe", "Freya Nordahl", "Minh Phan",
    "Rosa Calabrese", "Stefan Kolarov", "Adaeze Okoro", "Liam Prendergast", "Zofia Mazurek", "Teodor Ilic",
    "Salma Bennis", "Viggo Rasmussen", "Aiko Morinaga", "Bruno Lachance", "Katya Sorokin", "Emeka Nwosu",
    "Petra Zupan", "Oscar Lindholm", "Leila Farahani", "Finn Gallacher",
)  # fmt: skip
