#!/usr/bin/python3
"""Writes office documents that nobody sent: invoices, letters, reports, contracts and prescriptions.

    generate.py FOLDER [COUNT [SEED]]

writes COUNT texts (default 10) as FOLDER/KIND-NNN.txt, to look at.  train.py imports it.  Each kind has phrases for
its head, body and end, in three layouts; of every list of phrases the last two are for the held-out documents only,
and every kind mentions the others ("the contract that you signed", "our invoice of ..."), so that one word does not
tell.
"""
import os
import random
import sys

KINDS = ("invoice", "letter", "report", "contract", "prescription")
FIRST = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Karla", "Leon",
    "Mara", "Nils", "Olga", "Paul", "Rosa", "Simon", "Tilda", "Viktor")
LAST = (
    "Adler", "Bergmann", "Conrad", "Dietrich", "Ebert", "Fischer", "Gruber", "Hansen", "Imhof", "Jansen",
    "Keller", "Lorenz", "Moser", "Neumann", "Otto", "Petersen")
FIRMS = (
    "Northwind Logistics", "Harbour Dental", "Bluebell Printing", "Atlas Engineering", "Meadow Farms",
    "Quill and Sons", "Orchard Clinic", "Lighthouse Media")
CITIES = (
    "Hamburg", "Leeds", "Antwerp", "Geneva", "Porto", "Turin", "Malmo", "Linz", "Cork", "Utrecht")
GOODS = (
    "printer paper", "desk lamps", "consulting hours", "server maintenance", "office chairs",
    "cleaning service", "translation", "repair of the lift")
DRUGS = (
    "Amoxicillin", "Ibuprofen", "Metformin", "Ramipril", "Pantoprazole", "Salbutamol", "Levothyroxine",
    "Simvastatin")
ILLS = (
    "hypertension", "acute bronchitis", "type 2 diabetes", "a sprained ankle", "migraine",
    "an infection of the ear", "reflux", "asthma")
THEMES = (
    "sales", "air quality", "staff turnover", "warehouse safety", "network outages", "water use",
    "customer complaints", "delivery times")
STREETS = ("Mill Lane", "Station Road", "High Street", "Park Avenue")

HEADS = {
    "invoice": ["INVOICE No. {n5}", "Invoice {n5} of {date}", "TAX INVOICE\nNumber: {n5}",
                "Bill for services, no. {n5}",
                "Statement of charges {n5}", "Account rendered, {date}\nReference {n5}"],
    "letter": ["{firm}\n{city}, {date}", "{name}\n{street}\n{city}", "{date}\n\nTo {name}",
               "From: {name}\nTo: {firm}\nDate: {date}",
               "{firm}, {street}, {city}\n\nFor the attention of {name}", "{city}, on {date}"],
    "report": ["REPORT on {theme}", "Quarterly report: {theme}", "Findings on {theme}\n{firm}, {date}",
               "Annual review of {theme}",
               "Assessment of {theme}, prepared for {firm}", "Minutes and results: {theme}"],
    "contract": ["CONTRACT between {firm} and {name}", "Agreement no. {n5}",
                 "SERVICE AGREEMENT\n{firm} (the Provider)",
                 "Lease agreement, {street}, {city}", "Terms agreed by the undersigned parties",
                 "Deed of agreement made on {date}"],
    "prescription": ["PRESCRIPTION\nDr. {name}", "{firm}, {city}\nRx", "Medical prescription of {date}",
                     "Dr. med. {name}, {street}, {city}",
                     "Medication order\nWard {n1}", "To the pharmacy: please dispense"],
}
BODIES = {
    "invoice": ["{n1} x {goods}    {money}", "{goods}, as ordered on {date}: {money}", "Subtotal {money}",
                "VAT 19 %: {money}", "Total due: {money}",
                "Payable within {n2} days to IBAN {iban}.", "Delivered under contract {n5}.",
                "Please quote the number with your payment.",
                "Amount outstanding {money}, of which tax {money}", "Remit to account {iban} by {date}."],
    "letter": ["thank you for your letter of {date}.", "I am sorry that our invoice {n5} reached you late.",
               "We would be glad to meet you in {city}.",
               "Enclosed you find the report that you asked for.", "The contract that you signed has arrived.",
               "Please call me when you have time.",
               "My daughter has moved to {city} and sends her regards.", "We look forward to hearing from you.",
               "It was a pleasure to see {name} again last week.", "I hope that the {goods} arrived in good order."],
    "report": ["In the period under review {theme} rose by {n2} per cent.",
               "Table {n1} shows the figures by month.", "The method was the same as last year.",
               "We recommend that {theme} be measured weekly.", "Invoices of the suppliers were examined.",
               "The results confirm the earlier trend.",
               "Section {n1}: causes and consequences.", "{n2} of {n3} cases were resolved in time.",
               "The sample comprised {n3} observations.", "It is concluded that further study of {theme} is needed."],
    "contract": ["1. The Provider shall supply {goods}.",
                 "2. The fee is {money}, payable on receipt of an invoice.", "The term is {n2} months from {date}.",
                 "Either party may terminate this agreement in writing.",
                 "The tenant shall keep the premises in good repair.",
                 "Liability is limited to {money}.", "This contract is governed by the law of {city}.",
                 "Reports shall be delivered each month.",
                 "The parties hereby undertake to keep its contents confidential.",
                 "Amendments are void unless both parties sign them."],
    "prescription": ["{drug} {n3} mg", "1 tablet {n1} times a day for {n2} days", "Diagnosis: {ill}",
                     "Patient: {name}, born {date}",
                     "Take after meals.", "Dispense {n2} tablets of {drug}.", "Do not drive while taking {drug}.",
                     "Repeat once if needed.",
                     "{drug}, {n1} puffs in the morning and in the evening",
                     "Indicated for {ill}; review in {n2} days."],
}
ENDS = {
    "invoice": ["Thank you for your business.", "{firm}, {city}", "Payment terms: {n2} days net.",
                "Goods remain ours until paid.",
                "No discount is allowed.", "Questions about this account: {firm}"],
    "letter": ["Yours sincerely,\n{name}", "Kind regards\n{name}", "Best wishes,\n{name}", "Yours faithfully\n{firm}",
               "With warm greetings from {city}\n{name}", "Respectfully yours,\n{name}, {firm}"],
    "report": ["Prepared by {name}, {date}", "{firm}, page {n1}", "Appendix: data and sources", "End of report",
               "Author: {name}",
               "Distribution: management of {firm}"],
    "contract": ["Signed in {city} on {date}\n{name}          {name}", "Signatures: ____________  ____________",
                 "{name} for {firm}",
                 "Done in two copies, {city}, {date}", "In witness whereof: {name}, {name}",
                 "Executed by both parties on {date}"],
    "prescription": ["Dr. {name}", "Signature and stamp", "Valid for {n2} days", "{firm}, telephone {n5}",
                     "Substitution permitted\nDr. {name}",
                     "Prescriber no. {n5}"],
}
# What makes a document personal: a bank account, a date of birth, a diagnosis.
PERSONAL = ["Our bank account is IBAN {iban}.", "{name} was born on {date}.", "The diagnosis was {ill}.",
            "She has been treated for {ill} since {date}.",
            "The date of birth given was {date}.", "{name}, born {date}, has asked for advice.",
            "Refunds go to {iban}.", "He suffers from {ill}.",
            "Because of {ill} the meeting was put off.", "Birth date of the applicant: {date}",
            "Place and date of birth: {city}, {date}",
            "Name, date of birth: {name}, {date}", "Transfer the money to {iban} at once.",
            "My account number has changed to {iban}.", "Date of birth: {date}"]
IS_PERSONAL = ("{iban}", "{ill}", "born", "birth")


def date(rng):
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2026)
    return rng.choice(("%d.%d.%d" % (day, month, year), "%d-%02d-%02d" % (year, month, day),
                       "%d/%d/%d" % (month, day, year)))


# What a slot becomes; {n3} is a number of three digits.
SLOTS = {
    "name": lambda rng: "%s %s" % (rng.choice(FIRST), rng.choice(LAST)),
    "firm": lambda rng: rng.choice(FIRMS),
    "city": lambda rng: rng.choice(CITIES),
    "street": lambda rng: "%s %d" % (rng.choice(STREETS), rng.randint(1, 99)),
    "goods": lambda rng: rng.choice(GOODS),
    "drug": lambda rng: rng.choice(DRUGS),
    "ill": lambda rng: rng.choice(ILLS),
    "theme": lambda rng: rng.choice(THEMES),
    "date": date,
    "money": lambda rng: "%d.%02d EUR" % (rng.randint(9, 9999), rng.randint(0, 99)),
    "iban": lambda rng: "DE%02d %04d %04d" % (rng.randint(10, 99), rng.randint(0, 9999), rng.randint(0, 9999)),
}


def fill(text, rng):
    """Every slot with something of its own."""
    while "{" in text:
        before, rest = text.split("{", 1)
        slot, after = rest.split("}", 1)
        digits = int(slot[1:]) if slot[1:].isdigit() else 0
        made = str(rng.randint(10 ** (digits - 1), 10 ** digits - 1)) if digits else SLOTS[slot](rng)
        text = before + made + after
    return text


def part(phrases, held_out):
    return phrases[-2:] if held_out else phrases[:-2]


def smudge(text, rng):
    """As read by a scanner: now and then another letter, or none."""
    rate = rng.choice((0, 0, 0.01, 0.02))
    return "".join(rng.choice(("", "e", "l", "rn", ".")) if c.isalpha() and rng.random() < rate else c for c in text)


def write(kind, rng, held_out=False):
    """(text, whether it is personal)."""
    own = [rng.choice(part(BODIES[kind], held_out)) for _ in range(rng.randint(1, 2))]
    common = rng.sample(part(BODIES[kind], False), rng.randint(2, 4))
    strange = [rng.choice(part(BODIES[rng.choice(KINDS)], False)) for _ in range(rng.randint(0, 2))]
    personal = []
    if kind in ("letter", "report", "contract") and rng.random() < 0.5:
        personal.append(rng.choice(part(PERSONAL, held_out)))
    body = list(dict.fromkeys(own + common + strange + personal))
    rng.shuffle(body)
    head, end = rng.choice(part(HEADS[kind], held_out)), rng.choice(part(ENDS[kind], held_out))
    if kind == "letter":
        head += "\n\nDear {name},"
    layout = rng.randrange(3)
    if layout == 0:
        text = "%s\n\n%s\n\n%s" % (head, "\n".join(body), end)
    elif layout == 1:
        text = "%s\n%s\n%s" % (head, " ".join(body), end)
    else:
        text = "%s\n%s\n\n%s" % (end.split("\n")[-1], head, "\n\n".join(body))
    return smudge(fill(text, rng), rng) + "\n", any(mark in text for mark in IS_PERSONAL)


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    count, seed = (int(x) for x in sys.argv[2:] + ["10", "1"][len(sys.argv) - 2:])
    rng = random.Random(seed)
    os.makedirs(sys.argv[1], exist_ok=True)
    for i in range(count):
        kind = KINDS[i % len(KINDS)]
        with open(os.path.join(sys.argv[1], "%s-%03d.txt" % (kind, i)), "w") as file:
            file.write(write(kind, rng)[0])


if __name__ == "__main__":
    main()
