-- One row, with the lines of not_learners.csv that name nobody in the program's downloads; none where all do.
with

not_learner_lines as (
    select * from {{ source('mailing', 'not_learners') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where not is_of_learner
),

lines_that_fit as (
    select {{ unnest_list('not_learners.lines') }} as fitting_line
    from not_learners
    semi join report_rows on not_learners.student_id = report_rows.student_id
),

-- whom they name no message tells
lines_that_do_not as (
    select
        not_learner_lines.line,
        if(not_learner_lines.username is null, '', ', username')
        || if(not_learner_lines.email is null, '', ', email')
        || if(not_learner_lines.student_id is null, '', ', student_id') as cells
    from not_learner_lines
    anti join lines_that_fit on not_learner_lines.line = lines_that_fit.fitting_line
),

final as (
    select
        'Nobody in the program''s downloads is named as in not_learners.csv, '
        || {{ string_agg("'line ' || line || ' (' || substr(cells, 3) || ')'", "', '", 'line') }}
        || ': correct what is misspelt. Who is in other programs alone may stay.' as message
    from lines_that_do_not
    having count(*) > 0
)

select * from final
