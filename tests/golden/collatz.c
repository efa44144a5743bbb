#line 43 "tests/corpus/numbers.py"
        // while not ctx.should_terminate:
        if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
            pdc_status = PDC_LEFT;
            goto pdc_commit;
        }
#line 44 "tests/corpus/numbers.py"
        // n = (await ctx.receive()).value
        PDC_RECEIVE(PDC_NAN, 0, 44, pdc_raised);
        pdc_t1 = pdc_message;
        n = pdc_t1.value;
#line 45 "tests/corpus/numbers.py"
        // length = 0
        length = 0;
#line 46 "tests/corpus/numbers.py"
        // while n > 1:
        for (;;) {
#line 46 "tests/corpus/numbers.py"
            // while n > 1:
            if (!(n > 1)) {
#line 52 "tests/corpus/numbers.py"
                // longest = max(longest, length)
                longest = ((length > longest) ? length : longest);
                goto pdc_done1;
            }
#line 47 "tests/corpus/numbers.py"
            // n = n // 2 if n % 2 == 0 else 3 * n + 1
            n = ((pdc_mod_by(n, 2) == 0) ? pdc_floordiv_by(n, 2) : pdc_add_i64(&pdc_t->error, pdc_mul_i64(&pdc_t->error, 3, n), 1));
            PDC_CHECK(47, pdc_raised);
#line 48 "tests/corpus/numbers.py"
            // length += 1
            length = pdc_add_i64(&pdc_t->error, length, 1);
            PDC_CHECK(48, pdc_raised);
#line 49 "tests/corpus/numbers.py"
            // if length > 2000:
            if (length > 2000) {
#line 50 "tests/corpus/numbers.py"
                // break
                goto pdc_done1;
            }
#line 46 "tests/corpus/numbers.py"
            // while n > 1:
            pdc_next2:;
            PDC_BACK_EDGE(46, pdc_raised);
        }
        pdc_done1:;
#line 53 "tests/corpus/numbers.py"
        // await ctx.send(Number(longest))
        PDC_RESERVE(53, pdc_raised);
        *pdc_next_output = pdc_make_Number(longest);
        PDC_STAGE();
        goto pdc_commit;
