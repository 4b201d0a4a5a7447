-- One row per learner, course run and kind of change since the run's previous download.

{#- A kind of change, when it has happened, what was said before and what is said now. #}
{%- set kinds = [
    ('newly passed', 'has_passed and not coalesce(had_passed, false)',
        "'grade ' || previous_grade", "'grade ' || grade"),
    ('newly certified', 'is_certified and not coalesce(was_certified, false)',
        "'certificate_eligible ' || previous_eligible", "'certificate_eligible ' || certificate_eligible"),
    ('upgraded', 'is_verified and not coalesce(was_verified, true)',
        "'track ' || previous_track", "'track ' || enrollment_track"),
    ('unenrolled', has_left('enrollment_status') ~ ' and coalesce(was_enrolled, false)',
        'previous_status', 'enrollment_status'),
    ('came back', 'is_enrolled and not coalesce(was_enrolled, true)',
        "if(was_reported, previous_status, 'not in the report')", "coalesce(enrollment_status, 'in the report')"),
    ('not in the report', 'not is_reported and was_reported',
        "coalesce(previous_status, 'in the report')", "'not in the report'"),
] %}

with

learner_course_history as (
    select * from {{ ref('learner_course_history') }}
),

downloads as (
    select * from {{ ref('int_downloads') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

newest_downloads as (
    select *
    from downloads
    where previous_reported_at is not null and next_reported_at is null
),

states as (
    select
        history.*,
        history.grade >= course_runs.pass_grade as has_passed,
        history.certificate_eligible = 'Y' as is_certified,
        coalesce(enrollment_tracks.is_verified, false) as is_verified,
        history.is_reported and not ({{ has_left('history.enrollment_status') }}) as is_enrolled
    from learner_course_history as history
    inner join course_runs on history.course_instance = course_runs.course_instance
    -- most of the history is of runs that were downloaded once
    semi join newest_downloads on history.course_instance = newest_downloads.course_instance
    left join enrollment_tracks on history.enrollment_track = enrollment_tracks.track
),

moves as (
    select
        newest.reported_at as changed_at,
        newest.previous_reported_at,
        now_state.learner_id,
        now_state.course,
        now_state.course_instance,
        now_state.is_reported,
        now_state.is_enrolled,
        now_state.is_verified,
        now_state.is_certified,
        now_state.has_passed,
        now_state.enrollment_track,
        now_state.enrollment_status,
        now_state.certificate_eligible,
        {{ number_as_text('now_state.grade') }} as grade,
        previous_state.is_reported as was_reported,
        previous_state.is_enrolled as was_enrolled,
        previous_state.is_verified as was_verified,
        previous_state.is_certified as was_certified,
        previous_state.has_passed as had_passed,
        previous_state.enrollment_track as previous_track,
        previous_state.enrollment_status as previous_status,
        previous_state.certificate_eligible as previous_eligible,
        {{ number_as_text('previous_state.grade') }} as previous_grade
    from newest_downloads as newest
    inner join states as now_state
        on newest.course_instance = now_state.course_instance and newest.reported_at = now_state.valid_from
    left join states as previous_state
        on
            now_state.course_instance = previous_state.course_instance
            and now_state.learner_id = previous_state.learner_id
            and now_state.valid_from = previous_state.valid_to
),

-- a learner may have changed in several ways at once
final as (
    {%- for change, has_happened, before, after in kinds %}
        select
            learner_id,
            course,
            course_instance,
            '{{ change }}' as change,
            previous_reported_at,
            changed_at,
            {{ before }} as before,
            {{ after }} as after
        from moves
        where {{ has_happened }}
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
)

select * from final
