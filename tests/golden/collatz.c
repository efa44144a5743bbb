PDC_FN i32 pdc_turn(pdc_variables &pdc_kept, const pdc_input_slot *pdc_in,
                    pdc_sink &pdc_out, pdc_context *pdc_t)
{
    i64 longest = pdc_kept.longest;
    i32 &pdc_fuel = pdc_out.fuel;
    Number pdc_t1 = {};
    i64 n = 0;
    i64 length = 0;
#line 43 "tests/corpus/numbers.py"
    // while not ctx.should_terminate:
    if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
        pdc_keep(pdc_kept, longest);
        return PDC_LEFT;
    }
#line 44 "tests/corpus/numbers.py"
    // n = (await ctx.receive()).value
    if (!pdc_receive(pdc_out, pdc_in)) return pdc_wait(pdc_t);
    pdc_t1 = *pdc_in;
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
        if (pdc_raised(pdc_t, 47)) return PDC_FAILED;
#line 48 "tests/corpus/numbers.py"
        // length += 1
        length = pdc_add_i64(&pdc_t->error, length, 1);
        if (pdc_raised(pdc_t, 48)) return PDC_FAILED;
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
        if (pdc_spent(pdc_fuel, pdc_t, 46)) return PDC_FAILED;
    }
    pdc_done1:;
#line 53 "tests/corpus/numbers.py"
    // await ctx.send(Number(longest))
    if (!pdc_send(pdc_out, pdc_t, pdc_make_Number(longest), 53)) return PDC_FAILED;
    pdc_keep(pdc_kept, longest);
    return PDC_MORE;
#line 1 "pydotcompute/kernel.cu"
}
