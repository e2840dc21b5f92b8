"""The menu of faults as a conformance suite: what does a client give its caller when the server misbehaves?

    python -m loadtests conformance                               # every client that is installed, every fault
    python -m loadtests conformance --client httpx --fault nan    # some of them

Your own client joins with ten lines: an async function that opens it on a URL and returns what predicts.

    # mypackage/mymodule.py
    async def connect(url: str, timeout_ms: int) -> Predict:
        client = MyClient(url, timeout_ms)

        async def predict(question: Json) -> Answer:
            return Answer(await client.post("/predict", question))   # or Answer(DEFAULT, is_default=True); or it raises

        return predict

    python -m loadtests conformance --client mypackage.mymodule:connect

`Predict`, `Answer` and `Json` are in `loadtests.conformance.contract`, with what is asked and what a right answer is.
"""
