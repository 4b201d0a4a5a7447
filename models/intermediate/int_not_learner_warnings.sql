-- One row, with the lines of not_learners.csv that name nobody in the program's downloads; none where all do.
with

not_learners as (
    select * from {{ source('mailing', 'not_learners') }}
),

not_learner_accounts as (
    select * from {{ ref('int_not_learner_accounts') }}
),

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where not is_of_learner
),

lines_that_fit as (
    select distinct not_learner_accounts.line
    from report_rows
    inner join not_learner_accounts on report_rows.student_id = not_learner_accounts.student_id
),

-- whom they name no message tells
lines_that_do_not as (
    select
        not_learners.line,
        if(not_learners.username is null, '', ', username')
        || if(not_learners.email is null, '', ', email')
        || if(not_learners.student_id is null, '', ', student_id') as cells
    from not_learners
    anti join lines_that_fit on not_learners.line = lines_that_fit.line
),

final as (
    select
        'Nobody in the program''s downloads is named as in not_learners.csv, '
        || {{ joined("'line ' || line || ' (' || substr(cells, 3) || ')'", "', '", 'line') }}
        || ': correct what is misspelt. Who is in other programs alone may stay.' as message
    from lines_that_do_not
    having count(*) > 0
)

select * from final
