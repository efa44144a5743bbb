PDC_FN i32 pdc_turn(pdc_variables &pdc_kept, const pdc_input_slot *pdc_in,
                    pdc_sink &pdc_out, pdc_context *pdc_t)
{
    f64 balance = pdc_kept.balance;
    i64 refusals = pdc_kept.refusals;
    pdc_union1 request = {};
    bool pdc_t2 = 0;
    i64 amount = 0;
    f64 fee = 0;
    f64 needed = 0;
#line 127 "tests/corpus/states.py"
    // while not ctx.should_terminate:
    if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
        pdc_keep(pdc_kept, balance, refusals);
        return PDC_LEFT;
    }
#line 128 "tests/corpus/states.py"
    // request = await ctx.receive()
    if (!pdc_receive(pdc_out, pdc_in)) return pdc_wait(pdc_t);
    if (pdc_in->tag == 0) request = pdc_union1_0(pdc_in->value.Deposit_0);
    if (pdc_in->tag == 1) request = pdc_union1_1(pdc_in->value.Withdraw_1);
    if (pdc_in->tag == 2) request = pdc_union1_2(pdc_in->value.Query_2);
#line 129 "tests/corpus/states.py"
    // match request:
    pdc_t2 = false;
    if (request.tag == 0) {
#line 130 "tests/corpus/states.py"
        // case Deposit(amount=amount) if amount > 0:
        amount = request.v0.amount;
#line 129 "tests/corpus/states.py"
        // match request:
        pdc_t2 = (amount > 0);
    }
    if (pdc_t2) {
#line 131 "tests/corpus/states.py"
        // balance += amount
        balance = (balance + (f64)(amount));
    } else {
#line 129 "tests/corpus/states.py"
        // match request:
        if (request.tag == 1) {
#line 132 "tests/corpus/states.py"
            // case Withdraw(amount=amount, fee=fee):
            amount = request.v1.amount;
            fee = request.v1.fee;
#line 133 "tests/corpus/states.py"
            // needed = amount + fee
            needed = ((f64)(amount) + fee);
#line 134 "tests/corpus/states.py"
            // if needed > balance or not amount > 0:
            if ((needed > balance) || (!(amount > 0))) {
#line 135 "tests/corpus/states.py"
                // refusals += 1
                refusals = pdc_add_i64(&pdc_t->error, refusals, 1);
                if (pdc_raised(pdc_t, 135)) return PDC_FAILED;
#line 136 "tests/corpus/states.py"
                // await ctx.send(Refused(amount, needed - balance))
                if (!pdc_send(pdc_out, pdc_t, pdc_make_Refused(amount, (needed - balance)), 136)) return PDC_FAILED;
            } else {
#line 138 "tests/corpus/states.py"
                // balance -= needed
                balance = (balance - needed);
            }
        } else {
#line 129 "tests/corpus/states.py"
            // match request:
            if ((request.tag == 2) && ((i64)(request.v2.detailed) == 1)) {
#line 140 "tests/corpus/states.py"
                // await ctx.send(Balance(balance))
                if (!pdc_send(pdc_out, pdc_t, pdc_make_Balance(balance), 140)) return PDC_FAILED;
#line 141 "tests/corpus/states.py"
                // await ctx.send(Balance(float(refusals)))
                if (!pdc_send(pdc_out, pdc_t, pdc_make_Balance((f64)(refusals)), 141)) return PDC_FAILED;
            } else {
#line 129 "tests/corpus/states.py"
                // match request:
                if (request.tag == 2) {
#line 143 "tests/corpus/states.py"
                    // await ctx.send(Balance(balance))
                    if (!pdc_send(pdc_out, pdc_t, pdc_make_Balance(balance), 143)) return PDC_FAILED;
                }
            }
        }
    }
    pdc_keep(pdc_kept, balance, refusals);
    return PDC_MORE;
#line 1 "pydotcompute/kernel.cu"
}
