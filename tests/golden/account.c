#line 127 "tests/corpus/states.py"
        // while not ctx.should_terminate:
        if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
            pdc_status = PDC_LEFT;
            goto pdc_commit;
        }
#line 128 "tests/corpus/states.py"
        // request = await ctx.receive()
        PDC_RECEIVE(PDC_NAN, 0, 128, pdc_raised);
        if (pdc_message.tag == 0) request = pdc_union1_0(pdc_message.value.Deposit_0);
        if (pdc_message.tag == 1) request = pdc_union1_1(pdc_message.value.Withdraw_1);
        if (pdc_message.tag == 2) request = pdc_union1_2(pdc_message.value.Query_2);
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
                    PDC_CHECK(135, pdc_raised);
#line 136 "tests/corpus/states.py"
                    // await ctx.send(Refused(amount, needed - balance))
                    PDC_RESERVE(136, pdc_raised);
                    pdc_next_output->tag = 1;
                    pdc_next_output->value.Refused_1 = pdc_make_Refused(amount, (needed - balance));
                    PDC_STAGE();
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
                    PDC_RESERVE(140, pdc_raised);
                    pdc_next_output->tag = 0;
                    pdc_next_output->value.Balance_0 = pdc_make_Balance(balance);
                    PDC_STAGE();
#line 141 "tests/corpus/states.py"
                    // await ctx.send(Balance(float(refusals)))
                    PDC_RESERVE(141, pdc_raised);
                    pdc_next_output->tag = 0;
                    pdc_next_output->value.Balance_0 = pdc_make_Balance((f64)(refusals));
                    PDC_STAGE();
                } else {
#line 129 "tests/corpus/states.py"
                    // match request:
                    if (request.tag == 2) {
#line 143 "tests/corpus/states.py"
                        // await ctx.send(Balance(balance))
                        PDC_RESERVE(143, pdc_raised);
                        pdc_next_output->tag = 0;
                        pdc_next_output->value.Balance_0 = pdc_make_Balance(balance);
                        PDC_STAGE();
                    }
                }
            }
        }
        goto pdc_commit;
