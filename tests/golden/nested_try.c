/* --- functions that the actor calls ------------------------------------------------------- */

/* guarded */
PDC_PY i64 py_guarded(pdc_turn *pdc_t, i64 n, i64 limit)
{
    bool pdc_v1 = 0;
#line 42 "tests/corpus/errors.py"
    // if n > 2 * limit:
    pdc_v1 = (n > pdc_mul_i64(&pdc_t->error, 2, limit));
    PDC_CHECK(42, pdc_raised);
    if (pdc_v1) {
#line 43 "tests/corpus/errors.py"
        // raise HardLimitError(n)
        pdc_raise(&pdc_t->error, 400);
        PDC_CHECK(43, pdc_raised);
    }
#line 44 "tests/corpus/errors.py"
    // if n > limit:
    if (n > limit) {
#line 45 "tests/corpus/errors.py"
        // raise LimitError(f"{n} is more than {limit}")
        pdc_raise(&pdc_t->error, 401);
        PDC_CHECK(45, pdc_raised);
    }
#line 46 "tests/corpus/errors.py"
    // return n
    return n;
#line 1 "pydotcompute/turn.h"
pdc_raised:;
    return i64{};
}


#line 103 "tests/corpus/errors.py"
        // while not ctx.should_terminate:
        if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
            pdc_status = PDC_LEFT;
            goto pdc_commit;
        }
#line 104 "tests/corpus/errors.py"
        // ask = await ctx.receive()
        PDC_RECEIVE(PDC_NAN, 0, 104, pdc_raised);
        ask = pdc_message;
#line 105 "tests/corpus/errors.py"
        // level = 0
        level = 0;
#line 107 "tests/corpus/errors.py"
        // level = 1
        level = 1;
#line 109 "tests/corpus/errors.py"
        // level = 2
        level = 2;
#line 110 "tests/corpus/errors.py"
        // value = guarded(ask.a, 50) // (ask.op % 3)
        pdc_v1 = pdc_floordiv_i64(&pdc_t->error, py_guarded(pdc_t, ask.a, 50), pdc_mod_by(ask.op, 3));
        PDC_CHECK(110, pdc_except5);
        value = pdc_v1;
#line 111 "tests/corpus/errors.py"
        // level = 3
        level = 3;
        goto pdc_end6;
#line 112 "tests/corpus/errors.py"
        // except ZeroDivisionError:
        pdc_except5:;
        if (pdc_t->error.code >= 1000) goto pdc_except3; // no exception
        pdc_caught1_5 = pdc_t->error.code;
        if ((1 <= pdc_caught1_5 && pdc_caught1_5 <= 9) || pdc_caught1_5 == 107) {
            pdc_t->error = {};
#line 113 "tests/corpus/errors.py"
            // depth += 1
            depth = pdc_add_i64(&pdc_t->error, depth, 1);
            PDC_CHECK(113, pdc_except3);
#line 114 "tests/corpus/errors.py"
            // value = guarded(ask.a + 40, 50)
            pdc_v2 = py_guarded(pdc_t, pdc_add_i64(&pdc_t->error, ask.a, 40), 50);
            PDC_CHECK(114, pdc_except3);
            value = pdc_v2;
#line 115 "tests/corpus/errors.py"
            // level = 4
            level = 4;
            goto pdc_end6;
        }
        goto pdc_except3;
        pdc_end6:;
        goto pdc_end4;
#line 117 "tests/corpus/errors.py"
        // depth += 10
        pdc_except3:;
        if (pdc_t->error.code >= 1000) goto pdc_except1; // no exception
        pdc_caught1_3 = pdc_t->error.code;
        {
            pdc_t->error = {};
            depth = pdc_add_i64(&pdc_t->error, depth, 10);
            PDC_CHECK(117, pdc_except1);
#line 118 "tests/corpus/errors.py"
            // await ctx.send(Answer(level, 0.5))
            PDC_RESERVE(118, pdc_except1);
            *pdc_next_output = pdc_make_Answer(level, 0.5);
            PDC_STAGE();
            pdc_raise(&pdc_t->error, pdc_caught1_3);
            PDC_CHECK(118, pdc_except1);
        }
        goto pdc_except1;
        pdc_end4:;
#line 117 "tests/corpus/errors.py"
        // depth += 10
        depth = pdc_add_i64(&pdc_t->error, depth, 10);
        PDC_CHECK(117, pdc_except1);
#line 118 "tests/corpus/errors.py"
        // await ctx.send(Answer(level, 0.5))
        PDC_RESERVE(118, pdc_except1);
        *pdc_next_output = pdc_make_Answer(level, 0.5);
        PDC_STAGE();
#line 119 "tests/corpus/errors.py"
        // level = 5
        level = 5;
        goto pdc_end2;
#line 120 "tests/corpus/errors.py"
        // except HardLimitError:
        pdc_except1:;
        if (pdc_t->error.code >= 1000) goto pdc_raised; // no exception
        pdc_caught1_1 = pdc_t->error.code;
        if (pdc_caught1_1 == 400) {
            pdc_t->error = {};
#line 121 "tests/corpus/errors.py"
            // value = -2
            value = -2;
            goto pdc_end2;
        }
#line 122 "tests/corpus/errors.py"
        // except LimitError:
        if (pdc_caught1_1 == 400 || pdc_caught1_1 == 401) {
            pdc_t->error = {};
#line 123 "tests/corpus/errors.py"
            // value = -1
            value = -1;
#line 124 "tests/corpus/errors.py"
            // level += 100
            level = pdc_add_i64(&pdc_t->error, level, 100);
            PDC_CHECK(124, pdc_raised);
            goto pdc_end2;
        }
        goto pdc_raised;
        pdc_end2:;
#line 125 "tests/corpus/errors.py"
        // await ctx.send(Answer(level + depth * 1000, value))
        pdc_v3 = pdc_make_Answer(pdc_add_i64(&pdc_t->error, level, pdc_mul_i64(&pdc_t->error, depth, 1000)), (f64)(value));
        PDC_CHECK(125, pdc_raised);
        PDC_RESERVE(125, pdc_raised);
        *pdc_next_output = pdc_v3;
        PDC_STAGE();
        goto pdc_commit;
