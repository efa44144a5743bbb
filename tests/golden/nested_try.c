/* --- functions that the actor calls ------------------------------------------------------- */

/* guarded */
PDC_PY i64 py_guarded(pdc_context *pdc_t, i64 n, i64 limit)
{
    bool pdc_v1 = 0;
#line 42 "tests/corpus/errors.py"
    // if n > 2 * limit:
    pdc_v1 = (n > pdc_mul_i64(&pdc_t->error, 2, limit));
    if (pdc_raised(pdc_t, 42)) return {};
    if (pdc_v1) {
#line 43 "tests/corpus/errors.py"
        // raise HardLimitError(n)
        pdc_raise(&pdc_t->error, 400);
        if (pdc_raised(pdc_t, 43)) return {};
    }
#line 44 "tests/corpus/errors.py"
    // if n > limit:
    if (n > limit) {
#line 45 "tests/corpus/errors.py"
        // raise LimitError(f"{n} is more than {limit}")
        pdc_raise(&pdc_t->error, 401);
        if (pdc_raised(pdc_t, 45)) return {};
    }
#line 46 "tests/corpus/errors.py"
    // return n
    return n;
#line 1 "pydotcompute/kernel.cu"
}


PDC_FN i32 pdc_turn(pdc_variables &pdc_kept, const pdc_input_slot *pdc_in,
                    pdc_sink &pdc_out, pdc_context *pdc_t)
{
    i64 depth = pdc_kept.depth;
    Ask ask = {};
    i64 level = 0;
    i64 value = 0;
    i64 pdc_v1 = 0;
    i32 pdc_caught1_5 = 0;
    i64 pdc_v2 = 0;
    i32 pdc_caught1_3 = 0;
    i32 pdc_caught1_1 = 0;
    Answer pdc_v3 = {};
#line 103 "tests/corpus/errors.py"
    // while not ctx.should_terminate:
    if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
        pdc_keep(pdc_kept, depth);
        return PDC_LEFT;
    }
#line 104 "tests/corpus/errors.py"
    // ask = await ctx.receive()
    if (!pdc_receive(pdc_out, pdc_in)) return pdc_wait(pdc_t);
    ask = *pdc_in;
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
    if (pdc_raised(pdc_t, 110)) goto pdc_except5;
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
        if (pdc_raised(pdc_t, 113)) goto pdc_except3;
#line 114 "tests/corpus/errors.py"
        // value = guarded(ask.a + 40, 50)
        pdc_v2 = py_guarded(pdc_t, pdc_add_i64(&pdc_t->error, ask.a, 40), 50);
        if (pdc_raised(pdc_t, 114)) goto pdc_except3;
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
        if (pdc_raised(pdc_t, 117)) goto pdc_except1;
#line 118 "tests/corpus/errors.py"
        // await ctx.send(Answer(level, 0.5))
        if (!pdc_send(pdc_out, pdc_t, pdc_make_Answer(level, 0.5), 118)) goto pdc_except1;
        pdc_raise(&pdc_t->error, pdc_caught1_3);
        if (pdc_raised(pdc_t, 118)) goto pdc_except1;
    }
    goto pdc_except1;
    pdc_end4:;
#line 117 "tests/corpus/errors.py"
    // depth += 10
    depth = pdc_add_i64(&pdc_t->error, depth, 10);
    if (pdc_raised(pdc_t, 117)) goto pdc_except1;
#line 118 "tests/corpus/errors.py"
    // await ctx.send(Answer(level, 0.5))
    if (!pdc_send(pdc_out, pdc_t, pdc_make_Answer(level, 0.5), 118)) goto pdc_except1;
#line 119 "tests/corpus/errors.py"
    // level = 5
    level = 5;
    goto pdc_end2;
#line 120 "tests/corpus/errors.py"
    // except HardLimitError:
    pdc_except1:;
    if (pdc_t->error.code >= 1000) return PDC_FAILED; // no exception
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
        if (pdc_raised(pdc_t, 124)) return PDC_FAILED;
        goto pdc_end2;
    }
    return PDC_FAILED;
    pdc_end2:;
#line 125 "tests/corpus/errors.py"
    // await ctx.send(Answer(level + depth * 1000, value))
    pdc_v3 = pdc_make_Answer(pdc_add_i64(&pdc_t->error, level, pdc_mul_i64(&pdc_t->error, depth, 1000)), (f64)(value));
    if (pdc_raised(pdc_t, 125)) return PDC_FAILED;
    if (!pdc_send(pdc_out, pdc_t, pdc_v3, 125)) return PDC_FAILED;
    pdc_keep(pdc_kept, depth);
    return PDC_MORE;
#line 1 "pydotcompute/kernel.cu"
}
