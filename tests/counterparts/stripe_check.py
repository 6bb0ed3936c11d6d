"""The official Stripe SDK against the processor at the URL given.

  method          makes a card that pays and prints its id
  list            prints the payments as JSON
"""

import json
import sys

import stripe

base, verb, *rest = sys.argv[1:]
client = stripe.StripeClient("sk_test_12345", base_addresses={"api": base})
if verb == "method":
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    print(client.v1.payment_methods.create({"type": "card", "card": card}).id)
elif verb == "list":
    intents = [intent.to_dict() for intent in client.v1.payment_intents.list({"limit": 100}).data]
    wanted = ("id", "amount", "status", "metadata")
    print(json.dumps([{name: intent[name] for name in wanted} for intent in intents]))
