-- One row per line of the list of who is in edX's reports and no learner.
with

not_learners as (
    select * from {{ source('mailing', 'not_learners') }}
),

final as (
    select
        line,
        username,
        email,
        student_id
    from not_learners
)

select * from final
